"""Upstreams that lie, drop, stall and lead astray: nothing wrong is returned as complete, and nothing goes on for ever."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from email.utils import formatdate
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from holdfast import digest as digests
from holdfast import manifest as manifests
from holdfast import names
from holdfast.config.sync import SyncRegistry
from holdfast.errors import (
    UpstreamDeniedError,
    UpstreamError,
    UpstreamMissingError,
    UpstreamThrottledError,
    UpstreamUnavailableError,
    UpstreamWrongError,
)
from syncworker.upstream import assembly
from syncworker.upstream.assembly import Surroundings
from syncworker.upstream.pace import Patience, Time
from tests.sync.client import MADE, Pauses, alice_at, upstream_of
from tests.sync.hostile import Call, Hostile
from tests.sync.peers import LOGIN, OCI, digest_of, image

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncworker.upstream.blobs import BlobStream
    from syncworker.upstream.upstream import Upstream

REPOSITORY = names.repository("team/app")
TAG = names.tag("v1")
BLOB = bytes(range(256)) * 8192  # 2 MiB
DIGEST = digests.of(BLOB)
MANIFEST = image(BLOB)


def blob_of(upstream: Upstream, **how: Any) -> bytes:
    with upstream.blob(REPOSITORY, DIGEST, **how) as stream:
        return b"".join(stream)


def collect(stream: BlobStream, got: bytearray) -> None:
    """All that is passed on, also when it ends in an error."""
    with stream:
        for chunk in stream:
            got += chunk


def offset_of(call: Call) -> int:
    return int(call.headers.get("range", "bytes=0-")[6:-1])


def serve(call: Call, data: bytes = BLOB, cut: int | None = None) -> None:
    """A blob as it should be, or broken off after ``cut`` bytes of the answer."""
    start = offset_of(call)
    range_ = f"Content-Range: bytes {start}-{len(data) - 1}/{len(data)}\r\n" if start else ""
    call.raw(f"HTTP/1.1 {206 if start else 200} X\r\nContent-Length: {len(data) - start}\r\n{range_}\r\n".encode())
    call.raw(data[start:] if cut is None else data[start : start + cut])
    if cut is not None:
        call.hang_up()


def test_a_blob_that_breaks_off_goes_on_where_it_was() -> None:
    def script(call: Call) -> None:
        serve(call, cut=300_000)

    with Hostile(script) as bad:
        pauses = Pauses()
        assert blob_of(upstream_of(bad.url, pauses=pauses)) == BLOB
        starts = [h.get("range", "bytes=0-") for h in bad.asked("GET", "blobs")]
        assert starts == [f"bytes={n}-" for n in range(0, len(BLOB), 300_000)]
        assert len(pauses.taken) == len(starts) - 1


def test_a_blob_that_breaks_off_goes_on_at_the_next_url() -> None:
    broken = count()

    def drops_once(call: Call) -> None:
        if next(broken):
            call.hang_up()
        else:
            serve(call, cut=1_000_000)

    with Hostile(drops_once) as bad, Hostile(serve) as good:
        assert blob_of(upstream_of(bad.url, good.url)) == BLOB
        assert [h["range"] for h in good.asked("GET", "blobs")] == ["bytes=1000000-"]


@pytest.mark.parametrize("how", [{}, {"verify": False}, {"verify": False, "size_bytes": len(BLOB)}])
def test_an_upstream_that_gives_a_little_each_time_is_given_up(how: dict[str, Any]) -> None:
    with Hostile(lambda call: serve(call, cut=10)) as bad, pytest.raises(UpstreamUnavailableError):
        blob_of(upstream_of(bad.url), **how)
    assert len(bad.seen) <= 4


def test_an_upstream_without_ranges_is_read_again_up_to_where_it_was() -> None:
    broken = count()

    def script(call: Call) -> None:
        if next(broken):
            call.answer(200, BLOB)
        else:
            serve(call, cut=1_234_567)

    with Hostile(script) as bad:
        assert blob_of(upstream_of(bad.url)) == BLOB


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Range": f"bytes 0-{len(BLOB) - 1}/{len(BLOB)}"},
        {"Content_Range": f"bytes 999999-{len(BLOB) - 1}/{len(BLOB)}"},
        {"Content_Range": f"bytes 1000000-{len(BLOB)}/{len(BLOB) + 1}"},
        {"Content_Range": "bytes 1000000-1000001/2"},
        {"Content_Range": "nonsense"},
        {},
        {"Content_Type": "multipart/byteranges; boundary=x"},
    ],
)
def test_a_part_other_than_asked_for_is_refused(headers: dict[str, str]) -> None:
    def script(call: Call) -> None:
        if offset_of(call):
            call.answer(206, BLOB[1_000_000:], **headers)
        else:
            serve(call, cut=1_000_000)

    with Hostile(script) as bad, pytest.raises(UpstreamWrongError):
        blob_of(upstream_of(bad.url))


def test_a_part_that_nobody_asked_for_is_refused() -> None:
    def script(call: Call) -> None:
        call.answer(206, BLOB, Content_Range=f"bytes 0-{len(BLOB) - 1}/{len(BLOB)}")

    with Hostile(script) as bad, pytest.raises(UpstreamWrongError):
        blob_of(upstream_of(bad.url))


@pytest.mark.parametrize("at", [0, len(BLOB) // 2, len(BLOB) - 1])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_single_wrong_byte_keeps_a_blob_from_ever_being_complete(at: int, chunked: bool) -> None:
    wrong = BLOB[:at] + bytes([BLOB[at] ^ 1]) + BLOB[at + 1 :]

    def script(call: Call) -> None:
        if chunked:
            call.raw(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(wrong), wrong)
            )
        else:
            call.answer(200, wrong)

    got = bytearray()
    with Hostile(script) as bad, pytest.raises(UpstreamWrongError, match="digest"):
        collect(upstream_of(bad.url).blob(REPOSITORY, DIGEST), got)
    assert len(got) < len(BLOB)


def test_a_wrong_byte_in_a_part_after_a_break_is_found_too() -> None:
    def script(call: Call) -> None:
        serve(call, BLOB[:-1] + b"!" if offset_of(call) else BLOB, cut=None if offset_of(call) else 1_000_000)

    with Hostile(script) as bad, pytest.raises(UpstreamWrongError, match="digest"):
        blob_of(upstream_of(bad.url))


def test_a_blob_without_a_length_is_whole_only_by_its_digest() -> None:
    def script(call: Call) -> None:
        call.raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + BLOB)
        call.hang_up()

    with Hostile(script) as bad:
        assert blob_of(upstream_of(bad.url)) == BLOB
        with pytest.raises(UpstreamWrongError, match="length"):
            blob_of(upstream_of(bad.url), verify=False)


def test_a_chunked_blob_that_breaks_off_is_never_taken_for_whole() -> None:
    def script(call: Call) -> None:
        if offset_of(call):
            call.answer(404)
        else:
            call.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (500_000, BLOB[:500_000]))
            call.hang_up()

    got = bytearray()
    with Hostile(script) as bad, pytest.raises(UpstreamError):
        collect(upstream_of(bad.url).blob(REPOSITORY, DIGEST, verify=False), got)
    assert bytes(got) == BLOB[: len(got)]


@pytest.mark.parametrize("more", [b"more", b"x" * 2_000_000])
def test_a_blob_that_goes_on_behind_its_end_gives_the_right_bytes_or_none(more: bytes) -> None:
    def script(call: Call) -> None:
        body = BLOB + more
        call.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    with Hostile(script) as bad:
        assert blob_of(upstream_of(bad.url), size_bytes=len(BLOB)) == BLOB
        with pytest.raises(UpstreamWrongError):
            blob_of(upstream_of(bad.url))


@pytest.mark.parametrize("length", ["5", str(len(BLOB) + 5), "-1", "1e6", "12, 13"])
def test_a_length_that_is_not_the_blobs_is_refused(length: str) -> None:
    def script(call: Call) -> None:
        call.raw(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode() + BLOB)
        call.hang_up()

    with Hostile(script) as bad, pytest.raises(UpstreamError):
        blob_of(upstream_of(bad.url), size_bytes=len(BLOB))


def test_a_blob_that_stalls_is_left_after_the_silence_and_taken_up_again() -> None:
    stalled = count()

    def script(call: Call) -> None:
        if next(stalled):
            serve(call)
        else:
            call.raw(f"HTTP/1.1 200 OK\r\nContent-Length: {len(BLOB)}\r\n\r\n".encode() + BLOB[:777_777])
            call.stall()

    with Hostile(script) as bad:
        assert blob_of(upstream_of(bad.url, silence_seconds=0.2)) == BLOB
        assert [h.get("range") for h in bad.asked("GET")] == [None, "bytes=777777-"]


def test_the_first_bytes_are_passed_on_while_the_rest_is_still_to_come() -> None:
    def script(call: Call) -> None:
        call.raw(f"HTTP/1.1 200 OK\r\nContent-Length: {len(BLOB)}\r\n\r\n".encode() + BLOB[:10])
        call.stall()

    with Hostile(script) as bad, upstream_of(bad.url).blob(REPOSITORY, DIGEST) as stream:
        assert next(iter(stream)) == BLOB[:10]


def test_an_answer_that_never_begins_is_an_upstream_that_is_down() -> None:
    with Hostile(Call.stall) as bad:
        pauses = Pauses()
        upstream = upstream_of(bad.url, pauses=pauses, silence_seconds=0.1)
        with pytest.raises(UpstreamUnavailableError, match="silent"):
            upstream.head(REPOSITORY, TAG)
        asked = len(bad.seen)
        with pytest.raises(UpstreamUnavailableError, match="left alone"):
            upstream.head(REPOSITORY, TAG)
        assert len(bad.seen) == asked == 3


def test_a_head_that_trickles_is_given_up() -> None:
    def script(call: Call) -> None:
        call.raw(b"HTTP/1.1 200 OK\r\nX: ")
        while call.try_raw(b"x"):
            call.over.wait(0.01)

    with Hostile(script) as bad:
        around = Surroundings(Pauses().time, (), Patience(silence_seconds=20.0, head_seconds=0.1))
        upstream = assembly.upstream(SyncRegistry.model_validate({"urls": [bad.url]}), around)
        MADE.append(upstream)
        with pytest.raises(UpstreamUnavailableError, match="silent"):
            upstream.head(REPOSITORY, TAG)


def test_a_manifest_that_trickles_is_given_up() -> None:
    clock = Pauses().clock

    def script(call: Call) -> None:
        call.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while call.try_raw(b"1\r\n \r\n"):
            clock.advance(1.0)

    with Hostile(script) as bad, pytest.raises(UpstreamUnavailableError, match="slowly"):
        upstream_of(bad.url, time=Time(clock, lambda _: None, lambda: 0.0)).manifest(REPOSITORY, TAG)


def test_a_manifest_that_never_ends_is_refused_at_4_mib() -> None:
    sent = [0]

    def script(call: Call) -> None:
        call.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while call.try_raw(b"10000\r\n%b\r\n" % (b" " * 65536)):
            sent[0] += 65536

    with Hostile(script) as bad, pytest.raises(UpstreamWrongError, match=str(manifests.MAX_BYTES)):
        upstream_of(bad.url).manifest(REPOSITORY, TAG)
    # What lay in buffers on the way comes on top.
    assert sent[0] < manifests.MAX_BYTES * 4


def test_a_manifest_announced_as_too_long_is_not_even_read() -> None:
    def script(call: Call) -> None:
        call.raw(f"HTTP/1.1 200 OK\r\nContent-Length: {manifests.MAX_BYTES + 1}\r\n\r\n".encode())
        call.stall()

    with Hostile(script) as bad, pytest.raises(UpstreamWrongError):
        upstream_of(bad.url).manifest(REPOSITORY, TAG)


@dataclass(frozen=True)
class Lie:
    """A manifest's answer that is no manifest, or not the one."""

    name: str
    body: bytes = MANIFEST
    headers: tuple[tuple[str, str], ...] = (("Content-Type", OCI),)


LIES = [
    Lie("another digest announced", headers=(("Content-Type", OCI), ("Docker-Content-Digest", digest_of(b"x")))),
    Lie("no digest", headers=(("Content-Type", OCI), ("Docker-Content-Digest", "sha256:../../etc/passwd"))),
    Lie("a digest nobody can compute", headers=(("Content-Type", OCI), ("Docker-Content-Digest", "md5:abcd"))),
    Lie("a page for people", b"<html><body>log in</body></html>", (("Content-Type", "text/html; charset=utf-8"),)),
    Lie("a page for people as a manifest", b"<html><body>log in</body></html>"),
    Lie("an error with status 200", b'{"errors": [{"code": "UNAUTHORIZED"}]}', (("Content-Type", "application/json"),)),
    Lie("coded", gzip.compress(MANIFEST), (("Content-Type", OCI), ("Content-Encoding", "gzip"))),
    Lie("an index that says it is an image", b'{"schemaVersion": 2, "manifests": []}'),
    Lie("both at once", json.dumps({**json.loads(MANIFEST), "manifests": []}).encode()),
    Lie("a layer outside of the grammar", MANIFEST.replace(str(DIGEST).encode(), b"sha256:../../x")),
    Lie(
        "schema 1", b'{"schemaVersion": 1}', (("Content-Type", "application/vnd.docker.distribution.manifest.v1+json"),)
    ),
    Lie("cut short", MANIFEST[:-1]),
    Lie("nothing", b""),
]


@pytest.mark.parametrize("lie", LIES, ids=[lie.name for lie in LIES])
def test_a_manifest_that_is_none_is_refused(lie: Lie) -> None:
    def script(call: Call) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in lie.headers)
        call.raw(f"HTTP/1.1 200 OK\r\nContent-Length: {len(lie.body)}\r\n{lines}\r\n".encode() + lie.body)

    with Hostile(script) as bad:
        with pytest.raises(UpstreamWrongError):
            upstream_of(bad.url).manifest(REPOSITORY, TAG)
        with pytest.raises(UpstreamWrongError):
            upstream_of(bad.url).manifest(REPOSITORY, digests.of(b"what was asked for"))


def test_a_manifest_asked_for_by_digest_is_that_or_nothing() -> None:
    other = image(b"other")
    with Hostile(lambda call: call.answer(200, other, Content_Type=OCI)) as bad:
        upstream = upstream_of(bad.url)
        assert upstream.manifest(REPOSITORY, TAG)
        with pytest.raises(UpstreamWrongError):
            upstream.manifest(REPOSITORY, digests.of(MANIFEST))


def test_a_head_against_the_digest_that_was_asked_for_is_refused() -> None:
    def script(call: Call) -> None:
        call.answer(200, MANIFEST, Content_Type=OCI, Docker_Content_Digest=digest_of(b"other"))

    with Hostile(script) as bad, pytest.raises(UpstreamWrongError):
        upstream_of(bad.url).head(REPOSITORY, digests.of(MANIFEST))


@pytest.mark.parametrize("status", [200, 400, 405, 501])
def test_where_head_tells_nothing_get_does(status: int) -> None:
    def script(call: Call) -> None:
        call.answer(status if call.method == "HEAD" else 200, MANIFEST, Content_Type=OCI)

    with Hostile(script) as bad:
        found = upstream_of(bad.url).head(REPOSITORY, TAG)
        assert found is not None
        assert (found.digest, found.size_bytes) == (digests.of(MANIFEST), len(MANIFEST))


def test_a_tag_that_moves_between_manifest_and_blobs_leaves_one_image() -> None:
    new = image(b"new")
    moved = count()

    def script(call: Call) -> None:
        if "/blobs/" in call.target:
            serve(call)
        else:
            data = MANIFEST if call.path.endswith(digest_of(MANIFEST)) or next(moved) == 0 else new
            call.answer(200, data, Content_Type=OCI, Docker_Content_Digest=digest_of(data))

    with Hostile(script) as bad:
        upstream = upstream_of(bad.url)
        described = upstream.head(REPOSITORY, TAG)
        assert described is not None
        fetched = upstream.manifest(REPOSITORY, described.digest)
        assert fetched is not None
        assert blob_of(upstream) == BLOB
        again = upstream.manifest(REPOSITORY, TAG, described.digest)
        assert again is not None
        assert again.data == new


STATUSES: list[tuple[int, type[UpstreamError]]] = [
    (404, UpstreamMissingError),
    (410, UpstreamMissingError),
    (401, UpstreamDeniedError),
    (403, UpstreamDeniedError),
    (429, UpstreamThrottledError),
    (500, UpstreamUnavailableError),
    (502, UpstreamUnavailableError),
    (503, UpstreamUnavailableError),
    (304, UpstreamWrongError),
    (204, UpstreamWrongError),
    (418, UpstreamWrongError),
]


@pytest.mark.parametrize(("status", "kind"), STATUSES)
def test_each_status_says_what_it_means_and_nothing_of_the_body(status: int, kind: type[UpstreamError]) -> None:
    def script(call: Call) -> None:
        call.answer(status, b"" if status in {204, 304} else b'{"errors": [{"code": "X", "message": "s3cret"}]}')

    with Hostile(script) as bad:
        upstream = upstream_of(bad.url)
        for ask in (
            lambda: upstream.manifest(REPOSITORY, TAG),
            lambda: blob_of(upstream),
            lambda: upstream.tags(REPOSITORY),
        ):
            with pytest.raises(kind) as caught:
                ask()
            assert "s3cret" not in f"{caught.value} {caught.value.detail}"


def test_missing_is_said_only_if_every_url_was_asked() -> None:
    with Hostile(lambda call: call.answer(404)) as none, Hostile(lambda call: call.answer(500)) as down:
        for urls in ((none.url, down.url), (down.url, none.url)):
            with pytest.raises(UpstreamUnavailableError):
                upstream_of(*urls).head(REPOSITORY, TAG)
        assert upstream_of(none.url, none.url).head(REPOSITORY, TAG) is None


def test_an_upstream_that_wants_us_to_wait_a_little_is_waited_for() -> None:
    turn = count()

    def script(call: Call) -> None:
        if next(turn):
            call.answer(200, MANIFEST, Content_Type=OCI)
        else:
            call.answer(429, Retry_After="7")

    with Hostile(script) as bad:
        pauses = Pauses()
        assert upstream_of(bad.url, pauses=pauses).manifest(REPOSITORY, TAG)
        assert pauses.taken == [7.0]


@pytest.mark.parametrize("as_date", [False, True])
def test_an_upstream_that_wants_us_to_wait_long_is_left_alone_until_then(as_date: bool) -> None:
    pauses = Pauses()
    told = formatdate(pauses.clock.wall() + 600, usegmt=True) if as_date else "600"
    with Hostile(lambda call: call.answer(429, Retry_After=told)) as bad:
        upstream = upstream_of(bad.url, pauses=pauses)
        with pytest.raises(UpstreamThrottledError) as caught:
            upstream.manifest(REPOSITORY, TAG)
        assert caught.value.retry_after_seconds == 600
        pauses.clock.advance(599)
        with pytest.raises(UpstreamUnavailableError):
            upstream.manifest(REPOSITORY, TAG)
        assert (len(bad.seen), pauses.taken) == (1, [])
        pauses.clock.advance(1)
        with pytest.raises(UpstreamThrottledError):
            upstream.manifest(REPOSITORY, TAG)
        assert len(bad.seen) > 1


def test_failures_that_pass_are_tried_again_with_growing_pauses() -> None:
    turn = count()

    def script(call: Call) -> None:
        call.answer(*((200, MANIFEST) if next(turn) == 3 else (500, b"")))

    with Hostile(script) as bad:
        pauses = Pauses()
        upstream = upstream_of(bad.url, pauses=pauses, maxRetries=3, retryDelay="1s", maxRetryDelay="3s")
        assert upstream.manifest(REPOSITORY, TAG)
        assert pauses.taken == [0.5, 1.0, 1.5]


def redirects_to(location: Callable[[Call], str]) -> Callable[[Call], None]:
    return lambda call: call.answer(307, Location=location(call))


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/x",
        "http://192.168.0.1/x",
        "http://[fd00:ec2::254]/x",
        "http://[::ffff:169.254.169.254]/x",
        "http://0.0.0.0/x",
        "http://2852039166/x",
        "file:///etc/passwd",
        "gopher://127.0.0.1/x",
        "http://user:pass@127.0.0.1/x",
    ],
)
def test_a_redirect_to_where_the_upstream_is_not_is_not_followed(location: str) -> None:
    with Hostile(redirects_to(lambda _: location)) as bad:
        for ask in (blob_of, lambda u: u.manifest(REPOSITORY, TAG), lambda u: u.tags(REPOSITORY)):
            with pytest.raises(UpstreamError) as caught:
                ask(upstream_of(bad.url))
            assert not isinstance(caught.value, UpstreamMissingError | UpstreamUnavailableError)


def test_a_redirect_in_circles_ends() -> None:
    with Hostile(redirects_to(lambda call: call.target)) as bad:
        with pytest.raises(UpstreamWrongError, match="redirects"):
            blob_of(upstream_of(bad.url))
        assert len(bad.seen) == 6


def test_credentials_stay_with_the_upstream_when_it_redirects() -> None:
    with Hostile(serve) as elsewhere:

        def script(call: Call) -> None:
            if call.headers.get("authorization") != LOGIN:
                call.answer(401, WWW_Authenticate='Basic realm="x"')
            else:
                call.answer(307, Location=f"{elsewhere.url}{call.target}")

        with Hostile(script) as bad:
            assert blob_of(upstream_of(bad.url, logins=[alice_at(bad.host, elsewhere.host)])) == BLOB
            assert bad.asked()[-1]["authorization"] == LOGIN
            assert [h for h in elsewhere.asked() if "authorization" in h or "cookie" in h] == []


def test_a_redirects_target_that_wants_a_login_gets_none() -> None:
    with Hostile(lambda call: call.answer(401, WWW_Authenticate='Basic realm="give"')) as thief:
        with (
            Hostile(redirects_to(lambda call: f"{thief.url}{call.target}")) as bad,
            pytest.raises(UpstreamDeniedError),
        ):
            blob_of(upstream_of(bad.url, logins=[alice_at(bad.host, thief.host)]))
        assert [h for h in thief.asked() if "authorization" in h] == []


def test_a_name_that_moves_inside_is_not_followed_there() -> None:
    answers = iter([["127.0.0.1"], ["10.255.255.1"]])

    def script(call: Call) -> None:
        call.answer(404, Connection="close")
        call.hang_up()

    with Hostile(script) as bad:
        upstream = upstream_of(f"http://rebind.example:{bad.port}", resolver=lambda _host, _port: next(answers))
        assert upstream.head(REPOSITORY, TAG) is None
        with pytest.raises(UpstreamWrongError, match="private"):
            upstream.head(REPOSITORY, TAG)


def test_a_redirect_by_name_is_judged_by_the_address_it_leads_to() -> None:
    with Hostile(serve) as victim:
        where = {"upstream.example": "127.0.0.1", "harmless.example": "10.1.1.1"}
        with Hostile(redirects_to(lambda call: f"http://harmless.example:{victim.port}{call.target}")) as bad:
            upstream = upstream_of(f"http://upstream.example:{bad.port}", resolver=lambda host, _port: [where[host]])
            with pytest.raises(UpstreamWrongError, match=r"harmless\.example"):
                blob_of(upstream)
            where["harmless.example"] = "127.0.0.1"
            assert blob_of(upstream) == BLOB


@pytest.mark.parametrize(
    "realm",
    ["https://evil.example/token", "http://evil.example/token", "http://10.0.0.1/token", "http://127.0.0.2/token", "x"],
)
def test_no_credentials_go_to_a_realm_elsewhere(realm: str) -> None:
    resolved = []

    def resolver(host: str, _port: int) -> list[str]:
        resolved.append(host)
        return ["127.0.0.1"]

    with Hostile(lambda call: call.answer(401, WWW_Authenticate=f'Bearer realm="{realm}",service="s"')) as bad:
        upstream = upstream_of(bad.url, logins=[alice_at(bad.host)], resolver=resolver)
        with pytest.raises(UpstreamWrongError, match="realm"):
            upstream.manifest(REPOSITORY, TAG)
        assert set(resolved) == {"127.0.0.1"}
        assert [h for h in bad.asked() if "authorization" in h] == []


def test_a_token_service_that_redirects_or_answers_nonsense_gets_nowhere() -> None:
    said: dict[str, Any] = {}

    def script(call: Call) -> None:
        if call.path == "/token":
            call.answer(said["status"], said["body"], **said.get("headers", {}))
        else:
            call.answer(401, WWW_Authenticate=f'Bearer realm="{bad.url}/token",service="s"')

    with Hostile(script) as bad:
        for status, body, headers, kind in (
            (307, b"", {"Location": "http://evil.example/token"}, UpstreamWrongError),
            (200, b"<html>", {}, UpstreamWrongError),
            (200, b'{"token": "a\\r\\nb"}', {}, UpstreamWrongError),
            (200, b" " * 100_000, {}, UpstreamWrongError),
            (404, b"", {}, UpstreamWrongError),
            (401, b"", {}, UpstreamDeniedError),
            (503, b"", {}, UpstreamUnavailableError),
            (429, b"", {"Retry_After": "900"}, UpstreamThrottledError),
        ):
            said.update(status=status, body=body, headers=headers)
            with pytest.raises(kind):
                upstream_of(bad.url, logins=[alice_at(bad.host)]).manifest(REPOSITORY, TAG)


def test_a_token_that_is_refused_is_fetched_once_more_and_not_for_ever() -> None:
    def script(call: Call) -> None:
        if call.path == "/token":
            call.answer(200, b'{"token": "t"}')
        else:
            call.answer(401, WWW_Authenticate=f'Bearer realm="{bad.url}/token",service="s",error="invalid_token"')

    with Hostile(script) as bad:
        upstream = upstream_of(bad.url)
        for _ in range(2):
            with pytest.raises(UpstreamDeniedError):
                upstream.manifest(REPOSITORY, TAG)
        assert len(bad.asked("GET", "/token")) == 2


@pytest.mark.parametrize("catalog", [False, True])
def test_a_list_without_an_end_is_no_list(catalog: bool) -> None:
    number = count()

    def endless(call: Call) -> None:
        n = next(number)
        page = {"repositories": [f"r{n}"], "tags": [f"t{n}"]}
        call.answer(200, json.dumps(page).encode(), Link=f'<{call.path}?last={n}>; rel="next"')

    def circle(call: Call) -> None:
        call.answer(200, b'{"tags": ["a"], "repositories": ["a"]}', Link=f'<{call.path}?n=1>; rel="next"')

    for script in (endless, circle):
        with Hostile(script) as bad:
            upstream = upstream_of(bad.url)
            with pytest.raises(UpstreamWrongError, match="end"):
                upstream.catalog() if catalog else upstream.tags(REPOSITORY)


def test_lists_are_read_page_by_page_to_their_end() -> None:
    def script(call: Call) -> None:
        last = int(call.target.partition("last=")[2] or 0)
        page = {"tags": [f"t{last}", f"t{last + 1}"], "repositories": [f"r/{last}", f"q/{last}"]}
        more = {"Link": f'<{call.path}?n=2&last={last + 2}>; rel="next"'} if last < 8 else {}
        call.answer(200, json.dumps(page).encode(), **more)

    with Hostile(script) as good:
        assert upstream_of(good.url).tags(REPOSITORY) == tuple(f"t{n}" for n in range(10))
        assert upstream_of(f"{good.url}/r").catalog() == ("0", "2", "4", "6", "8")


def test_referrers_are_read_page_by_page() -> None:
    def script(call: Call) -> None:
        second = "page=2" in call.target
        child = {"mediaType": OCI, "digest": digest_of(b"2" if second else b"1"), "size": 1}
        index = json.dumps({"schemaVersion": 2, "manifests": [child]}).encode()
        more = {} if second else {"Link": f'<{call.path}?page=2>; rel="next"'}
        call.answer(200, index, Content_Type=manifests.OCI_INDEX, **more)

    with Hostile(script) as good:
        found = upstream_of(good.url).referrers(REPOSITORY, DIGEST)
        assert [d.digest for d in found] == [digests.of(b"1"), digests.of(b"2")]


def test_a_next_page_elsewhere_is_not_read() -> None:
    with Hostile(lambda call: call.answer(200, b'{"tags": ["b"]}')) as elsewhere:

        def script(call: Call) -> None:
            call.answer(200, b'{"tags": ["a"]}', Link=f'<{elsewhere.url}{call.path}>; rel="next"')

        with Hostile(script) as bad, pytest.raises(UpstreamWrongError, match="another host"):
            upstream_of(bad.url).tags(REPOSITORY)
        assert elsewhere.seen == []


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"tags": "v1"}', b'{"tags": [1]}', b"[" * 100_000, b""])
def test_a_list_that_is_none_is_refused(body: bytes) -> None:
    with Hostile(lambda call: call.answer(200, body)) as bad, pytest.raises(UpstreamWrongError):
        upstream_of(bad.url).tags(REPOSITORY)


def test_names_against_the_grammar_are_left_out_of_lists() -> None:
    page = json.dumps({"tags": ["ok", "../x", "a b", ""], "repositories": ["ok/x", "UPPER", "../x"]}).encode()
    with Hostile(lambda call: call.answer(200, page)) as bad:
        assert upstream_of(bad.url).tags(REPOSITORY) == ("ok",)
        assert upstream_of(bad.url).catalog() == ("ok/x",)


def test_a_page_for_people_is_no_referrers_api() -> None:
    def script(call: Call) -> None:
        if "/referrers/" in call.path:
            call.answer(200, b"<html>", Content_Type="text/html")
        else:
            call.answer(404)

    with Hostile(script) as bad:
        assert upstream_of(bad.url).referrers(REPOSITORY, DIGEST) == ()


def test_referrers_against_the_grammar_are_refused() -> None:
    child = {"mediaType": OCI, "digest": "sha256:short", "size": 1}
    index = json.dumps({"schemaVersion": 2, "manifests": [child]}).encode()
    with (
        Hostile(lambda call: call.answer(200, index, Content_Type=manifests.OCI_INDEX)) as bad,
        pytest.raises(UpstreamWrongError),
    ):
        upstream_of(bad.url).referrers(REPOSITORY, DIGEST)


def test_connections_are_kept_and_no_more_are_open_than_the_operator_allows() -> None:
    with Hostile(serve) as good:
        upstream = upstream_of(good.url, reqConcurrent=1)
        for _ in range(5):
            assert blob_of(upstream) == BLOB
        registry = upstream._lines[0].registry
        pool = registry._exchange._connections.to(registry.home)
        assert pool.num_connections == 1
        with upstream.blob(REPOSITORY, DIGEST) as stream:
            next(iter(stream))
        assert blob_of(upstream) == BLOB
