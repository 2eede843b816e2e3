"""What is wrong below HTTP's meaning: request lines, headers, lengths, chunks, other protocols."""

from __future__ import annotations

import random

from tests.http.hostile.row import BLOB, OWN, Row, chunked, request, rows, sha256

_PATCH = f"/v2/{OWN}/blobs/uploads/@upload@"
_PUT = f"/v2/{OWN}/manifests/framing"
_NOISE = random.Random(20_26).randbytes(4096)

GARBAGE = {
    "SSH banner": b"SSH-2.0-OpenSSH_9.9\r\n",
    "mail": b"EHLO evil.example\r\nMAIL FROM:<a@b>\r\n",
    "Redis": b"*1\r\n$4\r\nPING\r\n",
    "memcached": b"stats\r\n",
    "remote desktop": b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00\r\n",
    "SOCKS": b"\x05\x01\x00\r\n",
    "MQTT": b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00\r\n",
    "Java object": b"\xac\xed\x00\x05sr\x00\x11java.util.HashSet\r\n",
    "NULs": b"\0" * 1024 + b"\r\n\r\n",
    "ones": b"\xff" * 1024 + b"\r\n\r\n",
    "noise": _NOISE + b"\r\n\r\n",
    "JSON": b'{"jsonrpc": "2.0"}\r\n\r\n',
    "PROXY line": b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET /v2/ HTTP/1.1\r\n\r\n",
    "PROXY 2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"\x01" * 12 + b"GET /v2/ HTTP/1.1\r\n\r\n",
    "line feeds": b"\n" * 200,
    "one word": b"GET\r\n\r\n",
    "two words": b"GET /v2/\r\n\r\n",
    "HTTP/0.9 with a line feed": b"GET /v2/\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    "answer instead of a request": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "empty lines": b"\r\n" * 3000,
}
SILENCE = {
    "nothing": b"",
    "half a word": b"GE",
    "SSL 2 hello": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + b"\x01" * 40,
    "half a line": b"GET /v2/ HT",
    "half a head": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nAccept",
    "a carriage return": b"\r",
    "an empty line": b"\r\n",
}
REQUEST_LINES = {
    "HTTP/0.9": request("GET", "/v2/", version=b"HTTP/0.9"),
    "HTTP/1": request("GET", "/v2/", version=b"HTTP/1"),
    "HTTP/1.10": request("GET", "/v2/", version=b"HTTP/1.10"),
    "HTTP/2.0": request("GET", "/v2/", version=b"HTTP/2.0"),
    "HTTP/3.0": request("GET", "/v2/", version=b"HTTP/3.0"),
    "HTTP/-1.1": request("GET", "/v2/", version=b"HTTP/-1.1"),
    "HTTP/9.9": request("GET", "/v2/", version=b"HTTP/9.9"),
    "HTTP/1.1 and more": request("GET", "/v2/", version=b"HTTP/1.1 x"),
    "version in small letters": request("GET", "/v2/", version=b"http/1.1"),
    "another protocol": request("GET", "/v2/", version=b"ICY/1.0"),
    "fullwidth version": request("GET", "/v2/", version="HTTP/\uff11.\uff11".encode()),
    "method in small letters": request("get", "/v2/"),
    "short method": request("G", "/v2/"),
    "long method": request("A" * 21, "/v2/"),
    "very long method": request("A" * 5000, "/v2/"),
    "method with NUL": request(b"GE\0T", "/v2/"),
    "method with a colon": request("GET:", "/v2/"),
    "two spaces": b"GET  /v2/ HTTP/1.1\r\n\r\n",
    "tabs": b"GET\t/v2/\tHTTP/1.1\r\n\r\n",
    "space first": b" GET /v2/ HTTP/1.1\r\n\r\n",
    "bare line feeds": b"GET /v2/ HTTP/1.1\nHost: x\n\n",
    "raw NUL in the path": request("GET", b"/v2/\0/"),
    "raw bytes in the path": request("GET", b"/v2/\xff\xfe/"),
    "raw UTF-8 in the path": request("GET", "/v2/größe/tags/list"),
    "raw escape in the path": request("GET", b"/v2/\x1b[31m"),
    "GET of everything": request("GET", "*"),
    "a host as target": request("GET", "evil.example:80"),
    "a bare word as target": request("GET", "v2"),
    "a bad IPv6 URL": request("GET", "http://[::1/v2/"),
}
LONG_LINES = {
    "path": request("GET", "/v2/" + "a" * 9000),
    "query": request("GET", "/v2/_catalog?last=" + "a" * 9000),
    "100,000 parameters": request("GET", "/v2/_catalog?" + "a=1&" * 100_000),
    "a line without an end": b"GET /" + b"a" * 1_000_000,
    "spaces without an end": b"GET " + b" " * 100_000,
}
HEADERS = {
    "no colon": ["Accept"],
    "no name": [": x"],
    "space before the colon": ["Accept : */*"],
    "space in the name": ["Acc ept: */*"],
    "folded": ["Accept: a\r\n b"],
    "first one folded": [" Accept: a"],
    "NUL in a value": [b"Accept: a\0b"],
    "NUL in a name": [b"Acc\0ept: a"],
    "escape in a value": [b"Accept: \x1b[31m"],
    "bare carriage return": [b"Accept: a\rX-Evil: 1"],
    "bare line feed": [b"Accept: a\nX-Evil: 1"],
    "name in UTF-8": ["Größe: 1"],
    "name in brackets": ["(Accept): x"],
    "two hosts": ["Host: evil.example"],
    "two types": ["Content-Type: a/b", "Content-Type: c/d"],
    "empty line as name": ["\x7f: 1"],
}
FLOODS = {
    "101 headers": [f"X-{n}: 1" for n in range(101)],
    "5,000 headers": [f"X-{n}: 1" for n in range(5000)],
    "2,000 Accept lines": ["Accept: */*"] * 2000,
    "one of 9 KiB": ["X: " + "a" * 9000],
    "one of 1 MiB": ["X: " + "a" * 1_048_576],
    "a name of 9 KiB": ["X" * 9000 + ": 1"],
    "one of 2 MiB without an end": ["X: " + "a" * 2_097_152],
}
HARMLESS = {
    "90 Accept lines": ["Accept: application/x"] * 90,
    "90 headers of 8 KB": [f"X-{n}: " + "a" * 8000 for n in range(90)],
    "empty login": ["Authorization: Basic Og=="],
    "login without a colon": ["Authorization: Basic YWJj"],
    "login that is no base64": ["Authorization: Basic %%%"],
    "two logins": ["Authorization: Basic YTpi", "Authorization: Bearer x"],
    "token bomb": ["Authorization: Bearer " + "." * 7000],
    "cookies": ["Cookie: " + "a=b;" * 2000],
    "upgrade to HTTP/2": ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"],
    "upgrade to websocket": ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: eA=="],
    "connection options": ["Connection: keep-alive, close, x-forwarded-for"],
    "method override": ["X-HTTP-Method-Override: DELETE"],
    "path override": ["X-Original-URL: /etc/passwd", "X-Rewrite-URL: /etc/passwd"],
    "forged mount point": ["SCRIPT_NAME: /etc"],
    "forged path": ["PATH_INFO: /etc/passwd"],
    "forged schemes": ["X-Forwarded-Proto: https", "X-Forwarded-SSL: off", "X-Forwarded-Protocol: ssl"],
    "forged addresses": ["X-Forwarded-For: " + "1.2.3.4," * 500],
    "underscores": ["Transfer_Encoding: chunked", "Content_Length: 10"],
    "bytes beyond ASCII": [b"User-Agent: \xff\xfe\x80"],
    "agent that breaks logs": ['User-Agent: "}\\\\", "level": "error", "x": "${jndi:ldap://x}'],
    "accepted nothing": ["Accept: ;;;,,,q=q=q="],
    "accepted gzip": ["Accept-Encoding: gzip;q=1e999, *;q=-1"],
    "unknown condition": ['If-Match: "x"', "If-Modified-Since: yesterday", "If-Unmodified-Since: \u221e"],
    "trailers promised": ["TE: trailers, deflate", "Trailer: Host"],
    "hop by hop": ["Keep-Alive: timeout=99999999999999999999", "Proxy-Connection: x"],
}
LENGTHS = {
    "negative": "-1",
    "plus": "+5",
    "fraction": "5.0",
    "hex": "0x5",
    "list": "5, 5",
    "two numbers": "5 5",
    "none": "",
    "words": "many",
    "exponent": "1e3",
    "underscore": "1_0",
    "fullwidth": "\uff15",
    "superscript": b"\xb2",
    "5,000 digits": "9" * 5000,
    "NUL": b"5\0",
}
FRAMES = {
    "two lengths": ["Content-Length: 5", "Content-Length: 6"],
    "the same length twice": ["Content-Length: 5", "Content-Length: 5"],
    "length and chunks": ["Content-Length: 5", "Transfer-Encoding: chunked"],
    "chunks and length": ["Transfer-Encoding: chunked", "Content-Length: 5"],
    "identity": ["Transfer-Encoding: identity"],
    "gzip": ["Transfer-Encoding: gzip"],
    "gzip inside": ["Transfer-Encoding: gzip, chunked"],
    "gzip outside": ["Transfer-Encoding: chunked, gzip"],
    "identity and length": ["Transfer-Encoding: identity", "Content-Length: 5"],
    "chunked twice": ["Transfer-Encoding: chunked, chunked"],
    "chunked on two lines": ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    "chunked and identity": ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
    "unknown": ["Transfer-Encoding: xchunked"],
    "quoted": ['Transfer-Encoding: "chunked"'],
    "with a parameter": ["Transfer-Encoding: chunked;q=1"],
    "with a vertical tab": [b"Transfer-Encoding: \x0bchunked"],
    "space before the colon": ["Transfer-Encoding : chunked"],
    "folded": ["Transfer-Encoding:\r\n chunked"],
    "empty": ["Transfer-Encoding: "],
    "comma": ["Transfer-Encoding: ,chunked"],
}
CHUNKS = {
    "no number": b"zz\r\nhello\r\n0\r\n\r\n",
    "negative": b"-5\r\nhello\r\n0\r\n\r\n",
    "plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "empty size": b"\r\nhello\r\n0\r\n\r\n",
    "space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "underscore": b"1_0\r\nhello\r\n0\r\n\r\n",
    "NUL in the size": b"5\0\r\nhello\r\n0\r\n\r\n",
    "fullwidth size": "\uff15\r\nhello\r\n0\r\n\r\n".encode(),
    "bare line feeds": b"5\nhello\n0\n\n",
    "data too long": b"5\r\nhello world\r\n0\r\n\r\n",
    "no end of data": b"5\r\nhello0\r\n\r\n",
    "ends in the size": b"5",
    "ends in the data": b"5\r\nhe",
    "ends behind the data": b"5\r\nhello\r\n",
    "ends before the trailer": b"5\r\nhello\r\n0\r\n",
    "size beyond 64 bits": b"f" * 17 + b"\r\nhello",
    "size of 4,000 digits": b"f" * 4000 + b"\r\nhello",
    "size without an end": b"0" * 100_000,
    "extension without an end": b"5;" + b"a" * 100_000,
    "bad extension": b'5;="\r\nhello\r\n0\r\n\r\n',
    "carriage return in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "length in the trailer": b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
    "bad trailer": b"5\r\nhello\r\n0\r\nno colon\r\n\r\n",
    "1,000 trailers": b"5\r\nhello\r\n0\r\n" + b"X: 1\r\n" * 1000 + b"\r\n",
    "a trailer of 9 KiB": b"5\r\nhello\r\n0\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
    "2 MiB of trailers": b"5\r\nhello\r\n0\r\n" + b"X: 1\r\n" * 350_000,
}
_TE = "Transfer-Encoding: chunked"
_GOOD = request("GET", "/v2/")
# A complete hello, as openssl s_client sends it first: record, handshake, a cipher list.
_TLS = b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03" + b"\x11" * 32 + b"\x00\x00\x04\x13\x01\x13\x02\x01\x00"


def table() -> list[Row]:
    lengths = {name: [b"Content-Length: " + (v if isinstance(v, bytes) else v.encode())] for name, v in LENGTHS.items()}
    framed = {
        name: request("PATCH", _PATCH, *heads, body=b"5\r\nhello\r\n0\r\n\r\n")
        for name, heads in (lengths | FRAMES).items()
    }
    unread = {name: request("GET", "/v2/", _TE, body=body) for name, body in CHUNKS.items()}
    return [
        *rows("other protocol", 400, "UNSUPPORTED", GARBAGE, ends=True),
        *rows("other protocol", 400, "UNSUPPORTED", {"TLS hello": _TLS}),
        *rows("silence", None, "UNSUPPORTED", SILENCE, ends=True),
        *rows("request line", {400, 505}, "UNSUPPORTED", REQUEST_LINES),
        *rows("long line", 414, "NAME_INVALID", LONG_LINES),
        *rows("header", 400, "UNSUPPORTED", {n: request("GET", "/v2/", *h) for n, h in HEADERS.items()}),
        *rows("header flood", 431, "UNSUPPORTED", {n: request("GET", "/v2/", *h) for n, h in FLOODS.items()}),
        *rows("harmless header", 200, "", {n: request("GET", "/v2/", *h) for n, h in HARMLESS.items()}),
        *rows("expectation", 417, "UNSUPPORTED", {"weird": request("PUT", _PUT, "Expect: 200-ok", body=b"{}")}),
        *rows("frame", {400, 501}, "UNSUPPORTED BLOB_UPLOAD_INVALID", framed, ends=True),
        *rows(
            "chunks of an upload",
            400,
            "BLOB_UPLOAD_INVALID SIZE_INVALID",
            {name: request("PATCH", _PATCH, _TE, body=body) for name, body in CHUNKS.items()},
            ends=True,
        ),
        *rows(
            "chunks of a manifest",
            400,
            "BLOB_UPLOAD_INVALID SIZE_INVALID",
            {name: request("PUT", _PUT, _TE, body=body) for name, body in CHUNKS.items()},
            ends=True,
        ),
        *rows("chunks nobody reads", 200, "", unread, ends=True),
        *rows("old version", 400, "UNSUPPORTED", {"chunks": request("PUT", _PUT, _TE, version=b"HTTP/1.0")}),
        *_short(),
        *_pipelined(),
    ]


def _short() -> list[Row]:
    closing = f"{_PATCH}?digest={sha256(b'hello')}"
    monolithic = f"/v2/{OWN}/blobs/uploads/?digest={sha256(b'hello')}"
    return rows(
        "body that ends early",
        400,
        "SIZE_INVALID",
        {
            "chunk": request("PATCH", _PATCH, "Content-Length: 100", body=b"hello"),
            "chunk of megabytes": request("PATCH", _PATCH, "Content-Length: 5000000", body=b"h" * 2_000_000),
            "chunk of an absurd length": request("PATCH", _PATCH, f"Content-Length: {10**30}", body=b"hello"),
            "chunk of 2^63 bytes": request("PATCH", _PATCH, f"Content-Length: {2**63}", body=b"hello"),
            "no byte at all": request("PATCH", _PATCH, "Content-Length: 10", body=b""),
            "closing chunk": request("PUT", closing, "Content-Length: 6", body=b"hello"),
            "closing chunk of megabytes": request("PUT", closing, "Content-Length: 6000000", body=b"hello"),
            "whole blob": request("POST", monolithic, "Content-Length: 6", body=b"hello"),
            "whole blob of megabytes": request("POST", monolithic, "Content-Length: 6000000", body=b"hello"),
            "manifest": request("PUT", _PUT, "Content-Length: 6", body=b"{}"),
            "body after 100-continue": request("PATCH", _PATCH, "Content-Length: 9", "Expect: 100-continue"),
        },
        ends=True,
    )


def _pipelined() -> list[Row]:
    """Several requests at once, the last of them bad: each answer belongs to its request, and none comes unasked."""
    ok, bad = frozenset({200}), frozenset({400})
    upload = request("PATCH", _PATCH, body=b"hello")
    small = request("GET", f"/v2/{OWN}/blobs/{sha256(BLOB)}", "Range: bytes=0-4")
    codes = frozenset({"UNSUPPORTED"})
    return [
        Row("pipeline: garbage behind a good one", _GOOD + b"\x00garbage\r\n\r\n", (ok, bad), codes),
        Row("pipeline: a hello behind a good one", _GOOD + _TLS + b"\r\n", (ok, bad), codes),
        Row("pipeline: garbage behind an upload", upload + b"x y\r\n\r\n", (frozenset({202}), bad), codes),
        Row("pipeline: bytes beyond the length", upload + b"more than was announced", (frozenset({202}),), codes, True),
        Row("pipeline: garbage behind a range", small + b"x y\r\n\r\n", (frozenset({206}), bad), codes),
        Row("pipeline: a hundred good ones", _GOOD * 100, (ok,) * 100, codes),
        Row("pipeline: two smuggled", request("GET", "/v2/", body=_GOOD) + _GOOD, (ok, ok), codes),
        Row(
            "pipeline: behind a refused chunk",
            request("PUT", _PUT, _TE, body=b"zz\r\n\r\n") + _GOOD,
            (bad,),
            frozenset({"BLOB_UPLOAD_INVALID"}),
        ),
        Row(
            "pipeline: behind chunks",
            request("PUT", f"/v2/{OWN}/manifests/x", _TE, body=chunked(b"{", b"}")) + _GOOD,
            (bad, ok),
            codes,
        ),
        Row("pipeline: behind CONNECT", request("CONNECT", "a:1") + _GOOD, (frozenset({400, 404, 405}),), codes),
        Row("pipeline: behind Connection: close", request("GET", "/v2/", "Connection: close") + _GOOD, (ok,), codes),
    ]
