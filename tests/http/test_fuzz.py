"""Any request built from interesting pieces gets an answer in the protocol's form, and never a 500."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.http.hostile.content import CHUNK_RANGES, PAGES, PROBES, QUERIES, WHOLE_RANGES
from tests.http.hostile.framing import CHUNKS, FLOODS, FRAMES, HARMLESS, HEADERS, LENGTHS
from tests.http.hostile.manifests import BOMBS, INDEX, OCI, TYPES
from tests.http.hostile.paths import DIGESTS, NAMES, TAGS
from tests.http.hostile.row import BLOB, MISSING, OWN, request, sha256
from tests.http.raw import talk
from tests.serving import Server  # noqa: TC001 - hypothesis reads the annotations

_SMALL_BYTES = 200_000
_DIGEST = sha256(BLOB)
_HELLO = sha256(b"hello")
# The good ones several times, so that what stands behind them is reached.
_NAMES = st.sampled_from([OWN, OWN, "fuzz/a", "fuzz/b", "blobs", "a/blobs/uploads", "manifests/tags", *NAMES.values()])
_REFERENCES = st.sampled_from([_DIGEST, _HELLO, MISSING, "v1", "latest", *DIGESTS.values(), *TAGS.values()])
_UPLOADS = st.sampled_from(["@upload@", "@upload@", "", *PROBES.values()])
_PATHS = st.one_of(
    st.builds("/v2/{}/manifests/{}".format, _NAMES, _REFERENCES),
    st.builds("/v2/{}/blobs/{}".format, _NAMES, _REFERENCES),
    st.builds("/v2/{}/referrers/{}".format, _NAMES, _REFERENCES),
    st.builds("/v2/{}/blobs/uploads/{}".format, _NAMES, _UPLOADS),
    st.builds("/v2/{}/tags/list".format, _NAMES),
    st.sampled_from(["/v2/", "/v2", "/v2/_catalog", "/v2/_oci/ext/discover", "/livez", "/", "*", "http://x/v2/"]),
    st.text(alphabet="/.%2eEfFabv_-:@?&=#~", max_size=60).map("/v2/".__add__),
)
_PARAMETERS = st.one_of(
    st.builds("digest={}".format, _REFERENCES),
    st.builds("mount={}&from={}".format, _REFERENCES, _NAMES),
    st.builds("tag={}".format, st.sampled_from(["t1", "t2", *TAGS.values()])),
    st.builds("digest-algorithm={}".format, st.sampled_from(["sha256", "sha512", "blake3", "md5", ""])),
    st.sampled_from([*PAGES.values(), *QUERIES.values(), "artifactType=a/b", "artifactType=", "ns=docker.io"]),
    st.text(alphabet="nlast=&%0f;+", max_size=30),
)
_HEADERS = st.one_of(
    st.sampled_from([*CHUNK_RANGES.values(), "0-4", "5-9"]).map("Content-Range: {}".format),
    st.sampled_from([*WHOLE_RANGES.values(), "bytes=0-4", "bytes=-1", "bytes=0-0,5-5"]).map("Range: {}".format),
    st.sampled_from([*TYPES.values(), OCI, INDEX, "application/octet-stream"]).map("Content-Type: {}".format),
    st.sampled_from(["If-None-Match: *", f'If-None-Match: "{_DIGEST}"', "If-Range: x", "Expect: 100-continue"]),
    st.sampled_from([one for lines in (*HARMLESS.values(), *HEADERS.values()) for one in lines]),
    st.sampled_from([lines[0] for lines in FLOODS.values()]),
)
_FRAMES = st.one_of(
    st.just([]),
    st.just([]),
    st.just(["Transfer-Encoding: chunked"]),
    st.sampled_from(list(FRAMES.values())),
    st.sampled_from(list(LENGTHS.values())).map(
        lambda text: [b"Content-Length: " + (text if isinstance(text, bytes) else text.encode())]
    ),
    st.integers(0, 2**65).map(lambda size: [f"Content-Length: {size}"]),
)
_BODIES = st.one_of(
    st.none(),
    st.just(b"hello"),
    st.sampled_from([b for b in BOMBS.values() if len(b) < _SMALL_BYTES]),
    st.sampled_from([b for b in CHUNKS.values() if len(b) < _SMALL_BYTES]),
    st.binary(max_size=100),
)
_METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    method=_METHODS,
    path=_PATHS,
    query=st.lists(_PARAMETERS, max_size=3),
    headers=st.lists(_HEADERS, max_size=3),
    frame=_FRAMES,
    body=_BODIES,
)
def test_no_request_is_answered_with_500(
    registry: Server,
    method: str,
    path: str,
    query: list[str],
    headers: list[str | bytes],
    frame: list[str | bytes],
    body: bytes | None,
) -> None:
    target = path + ("?" + "&".join(query) if query else "")
    data = request(method, target, *headers, *frame, body=body)
    if b"@upload@" in data:
        _, answered, _ = registry.request("POST", f"/v2/{OWN}/blobs/uploads/")
        data = data.replace(b"@upload@", answered["docker-upload-uuid"].encode())
    said = talk(registry.port, data.replace(b"@foreign@", b"foreign"), 1, ends=True)
    assert said.ended, "the connection was left hanging"
    for answer in said.answers:
        assert answer.status != 500
        if answer.status >= 400 and answer.body:
            assert json.loads(answer.body)["errors"][0]["code"]
            assert b"Traceback" not in answer.body
    assert b" 500 Internal" not in said.rest
    assert registry.process.poll() is None


@pytest.fixture(scope="module", autouse=True)
def something_to_find(registry: Server) -> None:
    for data in (BLOB, b"hello"):
        registry.request("POST", f"/v2/{OWN}/blobs/uploads/?digest={sha256(data)}", data)
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
    registry.request("PUT", f"/v2/{OWN}/manifests/v1", index)
