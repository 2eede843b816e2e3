"""Reading what an upstream still sends: breaks, drops, and blobs that only trickle."""

from __future__ import annotations

from collections import deque

import pytest

from gateway.following import Following
from gateway.sharing import Sharing
from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.errors import BlobUnknownError, CorruptError, NodeSilentError, UnavailableError, UpstreamMissingError
from holdfast.names import Repository
from holdfast.rpc.node import Want
from holdfast.rpc.sync import Underway

REPO = Repository("up/app")
DATA = bytes(200) + b"the end"
WANT = Want(digests.of(DATA), len(DATA))


class World:
    """``answers`` of the worker, and ``streams`` of the node, in their order; an exception is raised where it stands.

    A number in a stream is so many seconds in which nothing comes. ``stored`` is what is read when the worker says so.
    """

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.answers: deque[object] = deque()
        self.streams: deque[list[object]] = deque()
        self.stored: list[object] = []
        self.read_from: list[int] = []
        self.following = Following(self, self, self, self.clock, self.clock.advance, Sharing())

    def pull(self):
        return self.following.read(REPO, WANT, 0, len(DATA))

    # -- the worker

    def fetch_blob(self, _repository, _digest, _patience_seconds):
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return Underway(answer) if answer else None

    # -- the nodes

    def by_upload(self, _upload_id):
        return self

    def follow_upload(self, _upload_id, offset_bytes, _patience_seconds):
        self.read_from.append(offset_bytes)
        yield from self._told(self.streams.popleft())

    # -- the stored copies

    def read(self, _want, offset_bytes, _length_bytes):
        self.read_from.append(offset_bytes)
        yield from self._told(self.stored.pop(0))

    def _told(self, said):
        for one in said:
            if isinstance(one, Exception):
                raise one
            if isinstance(one, int):
                self.clock.advance(one)
            else:
                yield one


@pytest.fixture
def world():
    return World()


def test_a_stream_that_falls_silent_is_gone_on_with_where_it_stood(world):
    world.answers.append("u")
    world.streams += [[DATA[:50], NodeSilentError("silent")], [DATA[50:]]]
    assert b"".join(world.pull()) == DATA
    assert world.read_from == [0, 50]


def test_an_upload_that_was_dropped_before_anything_was_passed_on_is_asked_for_again(world):
    world.answers += ["u", "v"]
    world.streams += [[CorruptError("dropped")], [DATA]]
    assert b"".join(world.pull()) == DATA


def test_what_nobody_has_after_all_is_unknown(world):
    world.answers += ["u", UpstreamMissingError("gone")]
    world.streams.append([CorruptError("dropped")])
    with pytest.raises(BlobUnknownError):
        next(world.pull())


def test_nothing_completes_an_upload_that_was_dropped_in_mid_blob(world):
    world.answers.append("u")
    world.streams += [[DATA[:50], CorruptError("dropped")], [DATA[50:]]]
    pull = world.pull()
    assert next(pull) == DATA[:50]
    with pytest.raises(CorruptError):
        next(pull)


def test_a_stored_copy_that_breaks_off_is_gone_on_with_where_it_stood(world):
    world.answers.append(None)
    world.stored += [[DATA[:50], UnavailableError("gone")], [DATA[50:]]]
    assert b"".join(world.pull()) == DATA
    assert world.read_from == [0, 50]


def test_a_blob_that_only_trickles_ends(world):
    world.answers.append("u")
    world.streams.append([part for at in range(len(DATA)) for part in (DATA[at : at + 1], 20)])
    with pytest.raises(UnavailableError):
        list(world.pull())
    assert world.clock.monotonic() < 1000 + 120


def test_a_client_that_takes_its_time_is_not_taken_for_an_upstream_that_does(world):
    world.answers.append("u")
    world.streams.append([DATA[at : at + 1] for at in range(len(DATA))])
    body = b""
    for piece in world.pull():
        body += piece
        world.clock.advance(50)
    assert body == DATA
