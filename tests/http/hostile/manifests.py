"""Manifests that are no manifests, or too much of one, or two at once."""

from __future__ import annotations

import gzip
import json

from tests.http.hostile.row import BLOB, FOREIGN_BLOB, MISSING, OWN, Row, chunked, request, rows, sha256

OCI = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
_LIMIT_BYTES = 4 * 1024 * 1024
_MANIFEST = f"/v2/{OWN}/manifests/bomb"
_CONFIG = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": sha256(BLOB), "size": len(BLOB)}
_GOOD: dict[str, object] = {"schemaVersion": 2, "mediaType": OCI, "config": _CONFIG, "layers": []}


def _with(**members: object) -> bytes:
    return json.dumps(_GOOD | members).encode()


def _layer(**members: object) -> bytes:
    return _with(layers=[_CONFIG | members])


def _raw(text: str) -> bytes:
    """The good manifest with some more text behind its members."""
    return json.dumps(_GOOD).encode()[:-1] + b", " + text.encode() + b"}"


def _layers(count: int) -> bytes:
    return _with(layers=[{"mediaType": "a/b", "digest": f"sha256:{n:064x}", "size": 1} for n in range(count)])


BOMBS = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a string": b'"x"',
    "an empty object": b"{}",
    "half an object": b'{"schemaVersion": 2',
    "two documents": json.dumps(_GOOD).encode() * 2,
    "garbage behind": json.dumps(_GOOD).encode() + b"\0",
    "comments": b"/* */ {}",
    "single quotes": b"{'schemaVersion': 2}",
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "b">]><a>&b;</a>',
    "XML that asks for a file": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "YAML": b"!!python/object/apply:os.system [id]",
    "pickle": b"cos\nsystem\n(S'id'\ntR.",
    "100,000 brackets": b"[" * 100_000,
    "100,000 objects": b'{"a":' * 100_000,
    "4 MiB of brackets": b"[" * _LIMIT_BYTES,
    "4 MiB of lists": b"[" + b"[]," * (_LIMIT_BYTES // 3 - 2) + b"[]]",
    "4 MiB of quotes": b"[" + b"[]," * 40 + b'"' * (_LIMIT_BYTES - 121),
    "4 MiB of strings": b"[" + b"[]," * 40 + b'"",' * (_LIMIT_BYTES // 3 - 42) + b"1]",
    "4 MiB of backslashes": b"[" + b"[]," * 40 + b'"' + b"\\" * (_LIMIT_BYTES - 122),
    "4 MiB of quoted quotes": b"[" + b"[]," * 40 + b'"' + b'\\"' * (_LIMIT_BYTES // 2 - 62),
    "4 MiB of closing brackets": b"[" * 40 + b"]" * (_LIMIT_BYTES - 40),
    "4 MiB of objects": b"[" + b"{}," * (_LIMIT_BYTES // 3 - 2) + b"{}]",
    "4 MiB of numbers": b"[" + b"1," * (_LIMIT_BYTES // 2 - 2) + b"1]",
    "4 MiB of spaces": b" " * _LIMIT_BYTES,
    "nests in an unknown member": _raw('"x": ' + "[" * 5000 + "]" * 5000),
    "brackets in strings and out": _raw('"x": "' + "[" * 1000 + '\\"", "y": ' + "[" * 50 + "]" * 50),
    "a number of 100,000 digits": _raw('"x": ' + "9" * 100_000),
    "a size of 5,000 digits": _raw('"layers": [], "x": ' + "9" * 5000),
    "NaN": _raw('"x": NaN'),
    "Infinity": _raw('"x": -Infinity'),
    "a member twice": _raw('"layers": []'),
    "a member twice, deep": _raw('"annotations": {"a": "1", "a": "2"}'),
    "a member twice by escapes": _raw('"l\\u0061yers": []'),
    "bad UTF-8": _raw('"x": "?"').replace(b"?", b"\xff"),
    "overlong UTF-8": _raw('"x": "?"').replace(b"?", b"\xc0\xaf"),
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(_GOOD).encode(),
    "UTF-16": json.dumps(_GOOD).encode("utf-16"),
    "UTF-16 without a mark": json.dumps(_GOOD).encode("utf-16-le"),
    "UTF-32": json.dumps(_GOOD).encode("utf-32"),
    "brackets in UTF-16": ("\u2200" + "[" * 100_000).encode("utf-16-le"),
    "gzip": gzip.compress(json.dumps(_GOOD).encode()),
    "a line feed in a string": _raw('"x": "\n"'),
    "version 1": _with(schemaVersion=1),
    "version true": _with(schemaVersion=True),
    "version as text": _with(schemaVersion="2"),
    "version beyond 64 bits": _with(schemaVersion=2**70),
    "no version": json.dumps({k: v for k, v in _GOOD.items() if k != "schemaVersion"}).encode(),
    "image and index": _with(manifests=[]),
    "another type inside": _with(mediaType=INDEX),
    "a type that is a list": _with(mediaType=[OCI]),
    "a type of 1 MiB": _with(mediaType="a/" + "b" * 1_000_000),
    "a surrogate as type": _with(mediaType="\ud800"),
    "no config": json.dumps({k: v for k, v in _GOOD.items() if k != "config"}).encode(),
    "config is null": _with(config=None),
    "config is a list": _with(config=[_CONFIG]),
    "layers are an object": _with(layers={}),
    "layers are null": _with(layers=None),
    "100,000 empty layers": _with(layers=[None] * 100_000),
    "10,001 layers": _layers(10_001),
    "35,000 layers": _layers(35_000),
    "negative size": _layer(size=-1),
    "size of 2^63": _layer(size=2**63),
    "size is a fraction": _layer(size=1.5),
    "size beyond floats": _raw('"layers": []').replace(str(len(BLOB)).encode(), b"1e999", 1),
    "size is text": _layer(size="1"),
    "size is true": _layer(size=True),
    "one digest with two sizes": _layer(size=1),
    "digest is a number": _layer(digest=5),
    "digest is null": _layer(digest=None),
    "digest is a path": _layer(digest="sha256:../../../../etc/passwd"),
    "digest in capitals": _layer(digest="sha256:" + "A" * 64),
    "digest of 1 MiB": _layer(digest="sha256:" + "a" * 1_000_000),
    "sha512 too short": _layer(digest="sha512:" + "a" * 64),
    "blake3 too long": _layer(digest="blake3:" + "a" * 65),
    "digest with a line feed": _layer(digest=sha256(BLOB) + "\n"),
    "layer type is no type": _layer(mediaType="text"),
    "layer type with a line feed": _layer(mediaType="a/b\n"),
    "subject is text": _with(subject="x"),
    "subject without a digest": _with(subject={"mediaType": OCI, "size": 1}),
    "subject is a path": _with(subject={"mediaType": OCI, "size": 1, "digest": "../../x"}),
    "annotations are a list": _with(annotations=["a"]),
    "annotations hold numbers": _with(annotations={"a": 1}),
    "annotations hold objects": _with(annotations={str(n): {} for n in range(100_000)}),
    "artifact type with a line feed": _with(artifactType="a/b\r\nX-Evil: 1"),
    "artifact type is a number": _with(artifactType=1),
    "signed schema 1": b'{"schemaVersion": 1, "fsLayers": [], "signatures": []}',
}
TYPES = {
    "html": "text/html",
    "no subtype": "application",
    "7,000 characters": "a/" + "b" * 7000,
    "quotes": '"application/json"',
    "multipart": "multipart/form-data; boundary=x",
    "form": "application/x-www-form-urlencoded",
    "bytes beyond ASCII": "\xff/\xfe",
    "the other type": INDEX,
    "schema 1": "application/vnd.docker.distribution.manifest.v1+prettyjws",
}


def _put(target: str, body: bytes, *headers: str) -> bytes:
    return request("PUT", target, *(headers or (f"Content-Type: {OCI}",)), body=body)


def table() -> list[Row]:
    digest = sha256(_with())
    over = b" " * (_LIMIT_BYTES + 1)
    many = f"/v2/{OWN}/manifests/{digest}?" + "&".join(f"tag=t{n}" for n in range(47))
    more = f"/v2/{OWN}/manifests/{digest}?" + "&".join(f"tag=t{n}" for n in range(900))
    return [
        *rows(
            "manifest",
            400,
            "MANIFEST_INVALID",
            {n: _put(_MANIFEST, b) for n, b in BOMBS.items()},
        ),
        *rows(
            "manifest type",
            400,
            "MANIFEST_INVALID",
            {n: _put(_MANIFEST, _with(), f"Content-Type: {t}") for n, t in TYPES.items()},
        ),
        *rows(
            "manifest too large",
            413,
            "SIZE_INVALID",
            {
                "by length": _put(_MANIFEST, over),
                "by gigabytes announced": request("PUT", _MANIFEST, "Content-Length: 5000000000"),
                "by an absurd length": request("PUT", _MANIFEST, f"Content-Length: {10**40}"),
                "in one chunk": _put(_MANIFEST, chunked(over), "Transfer-Encoding: chunked"),
                "in many chunks": _put(_MANIFEST, chunked(*[b"a" * 1000] * 5000), "Transfer-Encoding: chunked"),
                "in a chunk of exabytes": _put(_MANIFEST, b"f" * 15 + b"\r\n" + over * 2, "Transfer-Encoding: chunked"),
            },
        ),
        *rows(
            "manifest tags",
            414,
            "TAG_INVALID",
            {"47 of them": _put(many, _with()), "900 of them": _put(more, _with())},
        ),
        *rows(
            "manifest tags",
            400,
            "TAG_INVALID BLOB_UPLOAD_INVALID",
            {
                "a bad one": _put(f"/v2/{OWN}/manifests/{digest}?tag=ok&tag=..%2fx", _with()),
                "NUL": _put(f"/v2/{OWN}/manifests/{digest}?tag=%00", _with()),
                "129 characters": _put(f"/v2/{OWN}/manifests/{digest}?tag={'a' * 129}", _with()),
                "beside a tag": _put(f"{_MANIFEST}?tag=a", _with()),
            },
        ),
        *rows(
            "manifest of another digest",
            400,
            "DIGEST_INVALID",
            {
                "sha256": _put(f"/v2/{OWN}/manifests/{MISSING}", _with()),
                "sha512": _put(f"/v2/{OWN}/manifests/sha512:{'a' * 128}", _with()),
                "blake3": _put(f"/v2/{OWN}/manifests/blake3:{'a' * 64}", _with()),
                "unknown algorithm": _put(f"/v2/{OWN}/manifests/md5:{'a' * 32}", _with()),
            },
        ),
        *rows(
            "manifest without its content",
            400,
            "MANIFEST_BLOB_UNKNOWN",
            {
                "a layer": _put(_MANIFEST, _layer(digest=MISSING)),
                "10,000 layers": _put(_MANIFEST, _layers(9_999)),
                "a layer of another repository": _put(
                    _MANIFEST, _layer(digest=sha256(FOREIGN_BLOB), size=len(FOREIGN_BLOB))
                ),
                "an unknown algorithm": _put(_MANIFEST, _layer(digest="md5:abc")),
            },
        ),
    ]
