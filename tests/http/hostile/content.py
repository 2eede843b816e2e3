"""Well-formed HTTP with hostile content: uploads, ranges, parameters."""

from __future__ import annotations

from tests.http.hostile.row import BLOB, FOREIGN_BLOB, MISSING, OTHER, OWN, Row, chunked, request, rows, sha256

_UPLOADS = f"/v2/{OWN}/blobs/uploads/"
_BLOB = f"/v2/{OWN}/blobs/{sha256(BLOB)}"
CHUNK_RANGES = {
    "no number": "abc",
    "no start": "-5",
    "no end": "0-",
    "backwards": "5-1",
    "two minus": "-1--5",
    "20 digits": "0-99999999999999999999",
    "5,000 digits": "0-" + "9" * 5000,
    "2^63": "9223372036854775807-9223372036854775808",
    "beyond 2^63 at the start": "9999999999999999994-9999999999999999998",
    "spaces": "0 - 4",
    "two": "0-4,5-9",
    "another unit": "bits 0-4/5",
    "a star": "bytes */5",
    "empty": "",
    "exponent": "0-4e0",
    "hex": "0x0-0x4",
    "plus": "+0-+4",
    "fullwidth": "\uff10-\uff14",
    "one byte too many": "0-5",
    "one byte too few": "0-3",
    "a gap": "5-9",
    "a gap of exabytes": "9000000000000000000-9000000000000000004",
    "NUL behind": "0-4%00",
}
WHOLE_RANGES = {
    "nothing": "bytes=",
    "a minus": "bytes=-",
    "two minus": "bytes=--5",
    "three numbers": "bytes=1-2-3",
    "letters": "bytes=a-b",
    "another unit": "bits=0-1",
    "no unit": "=0-1",
    "no equals": "bytes 0-1",
    "30 digits": "bytes=0-" + "9" * 30,
    "hex": "bytes=0x0-0x5",
    "fullwidth": "bytes=\uff10-\uff15",
    "commas": "bytes=" + "," * 7000,
    "2,000 first bytes": "bytes=" + ",".join(["0-0"] * 2000),
    "1,300 suffixes": "bytes=" + ",".join(["-1"] * 1300),
    "129 ranges": "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 258, 2)),
    "128 times everything": "bytes=" + ",".join(["0-"] * 128),
    "7,000 spaces": "bytes=" + " " * 7000 + "x",
    "7,000 spaces and tabs": "bytes=1" + " \t" * 3500 + "x",
}
NO_RANGES = {
    "backwards": "bytes=5-1",
    "behind the end": f"bytes={len(BLOB)}-",
    "far behind the end": "bytes=9223372036854775808-",
    "no suffix": "bytes=-0",
    "no suffix twice": "bytes=-0,-0",
    "only behind the end": "bytes=999999-,9999999-",
}
PAGES = {
    "negative": "n=-1",
    "no value": "n=",
    "words": "n=ten",
    "fraction": "n=1.5",
    "exponent": "n=1e9",
    "hex": "n=0x10",
    "plus": "n=%2b5",
    "space": "n=%201",
    "NUL": "n=%00",
    "%ff": "n=%ff",
    "20 digits": "n=99999999999999999999",
    "5,000 digits": "n=" + "9" * 5000,
    "fullwidth": "n=%ef%bc%95",
    "list": "n=1,2",
}
QUERIES = {
    "a huge page": "n=999999999999999999",
    "no page": "n=0",
    "after dots": "last=../../etc/passwd",
    "after NUL": "last=%00",
    "after %ff": "last=%ff%ff%ff",
    "after a surrogate": "last=%ed%a0%80",
    "after the end of Unicode": "last=%f4%8f%bf%bf",
    "after 7,000 characters": "last=" + "z" * 7000,
    "after a wildcard": "last=%25%5f%2a",
    "after SQL": "last=%27%20or%201=1--",
    "two last": "last=a&last=b",
    "bad escape": "last=%zz%",
    "2,000 parameters": "&".join(f"p{n}" for n in range(1500)),
    "4,000 separators": "&" * 7000,
    "only equals": "=&==&=",
    "a NUL for a name": "%00=1",
}
PROBES = {
    "zeros": "00000000-0000-0000-0000-000000000000",
    "one character": "x",
    "dots": "..",
    "dots encoded": "%2e%2e",
    "NUL": "%00",
    "%ff": "%ff",
    "7,000 characters": "a" * 7000,
    "a wildcard": "*",
    "SQL": "%27or%271",
    "an emoji": "%f0%9f%92%a3",
    "the lock": "..%5clock",
    "a line feed": "a%0ab",
    "another repository's": "@foreign@",
    "a suffix": "@upload@x",
    "a NUL behind": "@upload@%00",
}


def table() -> list[Row]:
    return [*_uploads(), *_reads()]


def _uploads() -> list[Row]:
    upload = f"{_UPLOADS}@upload@"
    monolithic = {
        name: request("POST", f"{_UPLOADS}?digest={digest}", body=b"hello")
        for name, digest in {
            "other bytes": MISSING,
            "other bytes, sha512": f"sha512:{'a' * 128}",
            "other bytes, blake3": f"blake3:{'a' * 64}",
            "unknown algorithm": f"md5:{'a' * 32}",
            "no digest at all": "x",
            "NUL": "%00",
        }.items()
    }
    closings = {
        "no digest": "",
        "empty digest": "?digest=",
        "other bytes": f"?digest={MISSING}",
        "other bytes, sha512": f"?digest=sha512:{'a' * 128}",
        "other bytes, blake3": f"?digest=blake3:{'a' * 64}",
        "unknown algorithm": f"?digest=md5:{'a' * 32}",
        "digest under another name": f"?Digest={MISSING}",
    }
    chunk = {
        n: request("PATCH", upload, f"Content-Range: {r}", "Content-Length: 5", body=b"hello")
        for n, r in CHUNK_RANGES.items()
    }
    forged = {
        f"{method}, {name}": request(method, f"{_UPLOADS}{text}", body=None if method in {"GET", "DELETE"} else b"x")
        for method in ("GET", "PATCH", "DELETE")
        for name, text in PROBES.items()
    }
    forged_put = {
        name: request("PUT", f"{_UPLOADS}{text}?digest={sha256(b'x')}", body=b"x") for name, text in PROBES.items()
    }
    mounts = {
        "digest nobody has": f"mount={MISSING}",
        "digest nobody has, from somewhere": f"mount={MISSING}&from={OTHER}",
        "from the wrong repository": f"mount={sha256(BLOB)}&from={OTHER}",
        "from nowhere": f"mount={sha256(FOREIGN_BLOB)}&from=no/such",
        "from dots": f"mount={sha256(FOREIGN_BLOB)}&from=../other",
        "from NUL": f"mount={sha256(FOREIGN_BLOB)}&from=%00",
        "no digest": "mount=latest",
        "dots": "mount=../../x",
        "unknown algorithm": "mount=md5:abc",
        "5,000 characters": "mount=" + "a" * 5000,
        "bad UTF-8": "mount=%ff",
    }
    return [
        *rows("whole blob", 400, "DIGEST_INVALID", monolithic),
        *rows(
            "closing",
            400,
            "DIGEST_INVALID",
            {n: request("PUT", f"{upload}{q}", body=b"hello") for n, q in closings.items()},
        ),
        *rows("chunk range", {400, 416}, "BLOB_UPLOAD_INVALID SIZE_INVALID RANGE_INVALID", chunk),
        *rows("forged upload", 404, "BLOB_UPLOAD_UNKNOWN", forged),
        *rows("forged upload", 404, "BLOB_UPLOAD_UNKNOWN", forged_put),
        *rows(
            "announced algorithm",
            400,
            "DIGEST_INVALID",
            {
                name: request("POST", f"{_UPLOADS}?digest-algorithm={text}")
                for name, text in {
                    "md5": "md5",
                    "dots": "..",
                    "NUL": "%00",
                    "capitals": "SHA256",
                    "5,000 characters": "a" * 5000,
                    "a whole digest": MISSING,
                }.items()
            },
        ),
        *rows("mount", 202, "", {n: request("POST", f"{_UPLOADS}?{q}") for n, q in mounts.items()}),
        *rows(
            "wasteful upload",
            202,
            "",
            {
                "20,000 chunks of one byte": request(
                    "PATCH", upload, "Transfer-Encoding: chunked", body=chunked(*[b"x"] * 20_000)
                ),
                "extensions": request(
                    "PATCH", upload, "Transfer-Encoding: chunked", body=b"1;a=b\r\nx\r\n" * 3000 + b"0\r\n\r\n"
                ),
            },
        ),
    ]


def _reads() -> list[Row]:
    wanted = MISSING
    types = {
        "script": "artifactType=%3cscript%3e",
        "NUL": "artifactType=%00",
        "bad UTF-8": "artifactType=%ff",
        "500 of them": "&".join(["artifactType=a/b"] * 450),
        "7,000 characters": "artifactType=" + "a" * 7000,
        "empty": "artifactType=",
        "header injection": "artifactType=a%0d%0aX-Evil:1",
    }
    return [
        *rows("range", 200, "", {n: request("GET", _BLOB, f"Range: {r}") for n, r in WHOLE_RANGES.items()}),
        *rows("range", 416, "RANGE_INVALID", {n: request("GET", _BLOB, f"Range: {r}") for n, r in NO_RANGES.items()}),
        *rows(
            "range",
            {200, 206, 304},
            "",
            {
                "condition is junk": request("GET", _BLOB, "Range: bytes=0-1", 'If-Range: W/"x", junk'),
                "a flood of tags": request("GET", _BLOB, "If-None-Match: " + ",".join(['"x"'] * 1500)),
                "two lines": request("GET", _BLOB, "Range: bytes=0-1", "Range: bytes=5-6"),
                "128 single bytes": request(
                    "GET", _BLOB, "Range: bytes=" + ",".join(f"{n}-{n}" for n in range(0, 256, 2))
                ),
            },
        ),
        *rows(
            "tags",
            400,
            "PAGINATION_NUMBER_INVALID",
            {n: request("GET", f"/v2/{OWN}/tags/list?{q}") for n, q in PAGES.items()},
        ),
        *rows(
            "catalog",
            400,
            "PAGINATION_NUMBER_INVALID",
            {n: request("GET", f"/v2/_catalog?{q}") for n, q in PAGES.items()},
        ),
        *rows("catalog", 200, "", {n: request("GET", f"/v2/_catalog?{q}") for n, q in QUERIES.items()}),
        *rows("tags", 200, "", {n: request("GET", f"/v2/{OWN}/tags/list?{q}") for n, q in QUERIES.items()}),
        *rows("referrers", 200, "", {n: request("GET", f"/v2/{OWN}/referrers/{wanted}?{q}") for n, q in types.items()}),
        *rows(
            "another repository's blob",
            404,
            "BLOB_UNKNOWN",
            {
                method: request(method, f"/v2/{OWN}/blobs/{sha256(FOREIGN_BLOB)}")
                for method in ("GET", "HEAD", "DELETE")
            },
        ),
    ]
