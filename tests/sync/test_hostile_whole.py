"""A whole registry in front of upstreams that misbehave: nothing wrong is stored, nothing wrong looks complete.

What the client of upstreams does with each misdeed is :mod:`tests.sync.test_hostile`'s; here it is what clients of ours see. Each
misdeed has an upstream of its own, since one that fails is left alone for a while.
"""

from __future__ import annotations

import hashlib
import http.client
import os
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.serving import wait_for
from tests.sync.hostile import Call, Hostile
from tests.sync.mirrored import Pull, mirroring
from tests.sync.peers import OCI, digest_of, image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.serving import Server

    Misdeed = Callable[[Call, bytes], None]

LAYER = os.urandom(1 << 20)
MANIFEST = image(LAYER)
LAYERS = (b"one", b"other")
TAG = "v1"
HTML = b"<html><body>log in</body></html>"
# What a client may be told that asks for something that an upstream does not give as it should.
REFUSALS = {429, 502, 503, 504}


def head(call: Call, length: int, kind: str = "") -> None:
    lines = f"Content-Type: {kind or OCI}\r\n" if "/manifests/" in call.path or kind else ""
    call.raw(f"HTTP/1.1 200 X\r\nContent-Length: {length}\r\n{lines}\r\n".encode())


def drops(call: Call, data: bytes) -> None:
    head(call, len(data))
    call.raw(data[: len(data) // 2])
    call.hang_up()


def corrupts(call: Call, data: bytes) -> None:
    middle = len(data) // 2
    head(call, len(data))
    call.raw(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])


def says_more(call: Call, data: bytes) -> None:
    head(call, len(data) + 5)
    call.raw(data)
    call.hang_up()


def says_less(call: Call, data: bytes) -> None:
    head(call, len(data) - 5)
    call.raw(data)
    call.hang_up()


def gives_more(call: Call, data: bytes) -> None:
    head(call, len(data) + 5)
    call.raw(data + b"extra")


def circles(call: Call, _: bytes) -> None:
    call.answer(307, Location=call.target)


def leads_to_metadata(call: Call, _: bytes) -> None:
    call.answer(307, Location="http://169.254.169.254/latest/meta-data/")


def throttles(call: Call, _: bytes) -> None:
    call.answer(429, Retry_After="3600")


def fails(call: Call, _: bytes) -> None:
    call.answer(500, HTML)


def shows_a_page(call: Call, _: bytes) -> None:
    call.answer(200, HTML, Content_Type="text/html")


MISDEEDS: tuple[Misdeed, ...] = (
    drops,
    corrupts,
    says_more,
    says_less,
    gives_more,
    circles,
    leads_to_metadata,
    throttles,
    fails,
    shows_a_page,
)


@dataclass
class Villain:
    """Does its misdeed to blobs of one repository and to manifests of the other, until it is good."""

    misdeed: Misdeed
    is_good: bool = False

    def __call__(self, call: Call) -> None:
        is_blob = "/blobs/" in call.path
        wanted = call.path.rpartition("/")[2]
        data = MANIFEST if wanted in {TAG, digest_of(MANIFEST)} else {digest_of(b"{}"): b"{}"}.get(wanted, LAYER)
        is_hit = data is LAYER if call.path.startswith("/v2/of/blobs/") else not is_blob
        if is_hit and not self.is_good:
            self.misdeed(call, data)
        elif is_blob:
            start = int(call.headers.get("range", "bytes=0-")[6:-1])
            part = {"Content_Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
            call.answer(206 if start else 200, data[start:], **part)
        else:
            call.answer(200, data, Content_Type=OCI, Docker_Content_Digest=digest_of(data))


@pytest.fixture(scope="module")
def villains() -> Iterator[dict[str, tuple[Villain, Hostile]]]:
    made = {}
    try:
        for misdeed in MISDEEDS:
            villain = Villain(misdeed)
            made[misdeed.__name__] = (villain, Hostile(villain))
        yield made
    finally:
        for _, hostile in made.values():
            hostile.__exit__()


@pytest.fixture(scope="module")
def moving() -> Iterator[Hostile]:
    """Whose tag is another image each time."""
    manifests = [image(layer) for layer in LAYERS]
    known = {digest_of(data): data for data in (*LAYERS, *manifests, b"{}")}
    turns = count()

    def script(call: Call) -> None:
        wanted = call.path.rpartition("/")[2]
        data = manifests[next(turns) % 2] if wanted == TAG else known[wanted]
        call.answer(200, data, Content_Type=OCI, Docker_Content_Digest=digest_of(data))

    with Hostile(script) as hostile:
        yield hostile


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, villains: dict[str, tuple[Villain, Hostile]], moving: Hostile
) -> Iterator[Server]:
    places = {f"/{name.replace('_', '-')}": [hostile.url] for name, (_, hostile) in villains.items()}
    with mirroring(tmp_path_factory.mktemp("mirror"), places | {"/moving": [moving.url]}) as server:
        yield server


def path_of(misdeed: Misdeed, where: str, rest: str) -> str:
    return f"/v2/{misdeed.__name__.replace('_', '-')}/of/{where}/{rest}"


def asked(server: Server, path: str) -> tuple[int, bytes]:
    """Status and body; 0 where the connection broke before the body was whole."""
    try:
        status, _, body = server.request("GET", path)
    except (OSError, http.client.HTTPException):
        return 0, b""
    return status, body


def wrong_files(server: Server) -> list[str]:
    """Blobs on the node's disk that are not what their names say."""
    found = [
        path
        for path in (server.root / "data").rglob("sha256-*")
        if path.is_file() and len(path.name) == len("sha256-") + 64
    ]
    assert found
    return [path.name for path in found if hashlib.sha256(path.read_bytes()).hexdigest() != path.name[7:]]


@pytest.mark.parametrize("misdeed", MISDEEDS, ids=lambda misdeed: misdeed.__name__)
def test_a_manifest_is_the_right_one_or_refused(server: Server, misdeed: Misdeed) -> None:
    for reference in (TAG, digest_of(MANIFEST)):
        status, body = asked(server, path_of(misdeed, "manifests", f"manifests/{reference}"))
        assert status in REFUSALS
        assert b"html" not in body


# Whoever follows a blob that breaks off waits for more of it, so that one has a test of its own.
@pytest.mark.parametrize("misdeed", MISDEEDS[1:], ids=lambda misdeed: misdeed.__name__)
def test_a_blob_is_the_right_one_or_breaks_off(server: Server, misdeed: Misdeed) -> None:
    status, body = asked(server, path_of(misdeed, "blobs", f"manifests/{TAG}"))
    if misdeed is throttles and status == 429:
        return  # it was throttled for its manifests before, and is left alone as it wished
    assert (status, body) == (200, MANIFEST)
    for _ in range(2):
        status, body = asked(server, path_of(misdeed, "blobs", f"blobs/{digest_of(LAYER)}"))
        assert status in {0, *REFUSALS} or (status, body) == (200, LAYER)
    assert asked(server, path_of(misdeed, "blobs", f"blobs/{digest_of(b'{}')}")) == (200, b"{}")


def test_a_blob_that_broke_off_is_made_whole_while_its_client_waits(
    server: Server, villains: dict[str, tuple[Villain, Hostile]]
) -> None:
    villain, hostile = villains["drops"]
    assert asked(server, path_of(drops, "blobs", f"manifests/{TAG}")) == (200, MANIFEST)
    pull = Pull(server, path_of(drops, "blobs", f"blobs/{digest_of(LAYER)}"))
    wait_for("the tries to be used up", lambda: len(hostile.asked("GET", digest_of(LAYER))) >= 3)
    villain.is_good = True
    assert pull.end().body == LAYER


def test_nothing_wrong_lies_on_the_disk_after_all_that(server: Server) -> None:
    assert wrong_files(server) == []


def test_a_tag_that_moves_all_the_time_gives_whole_images(server: Server, moving: Hostile) -> None:
    seen = set()
    for _ in range(6):
        status, headers, manifest = server.request("GET", f"/v2/moving/app/manifests/{TAG}")
        assert (status, headers["docker-content-digest"]) == (200, digest_of(manifest))
        layer = LAYERS[[image(one) for one in LAYERS].index(manifest)]
        assert asked(server, f"/v2/moving/app/blobs/{digest_of(layer)}") == (200, layer)
        seen.add(manifest)
    assert len(seen) == 2
