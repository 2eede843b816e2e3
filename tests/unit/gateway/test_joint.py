"""Bytes from before and after a break belong to one blob, or the reader is told."""

from __future__ import annotations

import pytest

from gateway.following import Following
from gateway.joint import Joint
from gateway.sharing import Sharing
from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.errors import CorruptError, NodeUnreachableError
from holdfast.rpc.node import Want
from holdfast.rpc.sync import Underway
from tests.unit.meta.world import REPO

BLOB = bytes(range(256))
WRONG = b"x" + BLOB[1:]
WANT = Want(digests.of(BLOB), len(BLOB))


def pieces(data: bytes, size_bytes: int = 7):
    return (memoryview(data)[start : start + size_bytes] for start in range(0, len(data), size_bytes))


def passed(first_bytes: int, data: bytes) -> Joint:
    joint = Joint(first_bytes)
    for piece in pieces(data, 5):
        joint.passed(piece)
    return joint


@pytest.mark.parametrize("passed_bytes", [1, 6, 7, 8, 100])
def test_another_source_with_the_same_beginning_goes_on_where_the_first_ended(passed_bytes: int) -> None:
    joint = passed(10, BLOB[10 : 10 + passed_bytes])
    joint.changed()
    assert joint.start_bytes == 10
    assert b"".join(joint.behind(pieces(BLOB[10:]))) == BLOB[10 + passed_bytes :]
    assert joint.start_bytes == 10 + passed_bytes


def test_another_source_with_another_beginning_is_refused_before_its_first_byte() -> None:
    joint = passed(0, WRONG[:100])
    joint.changed()
    found = joint.behind(pieces(BLOB))
    with pytest.raises(CorruptError):
        next(found)


def test_a_source_that_breaks_in_what_is_known_is_compared_again_by_the_next() -> None:
    joint = passed(0, BLOB[:100])
    joint.changed()
    assert list(joint.behind(pieces(BLOB[:50]))) == []
    assert joint.start_bytes == 0
    assert b"".join(joint.behind(pieces(BLOB))) == BLOB[100:]


def test_the_same_source_is_gone_on_with_and_not_read_again() -> None:
    joint = passed(0, BLOB[:100])
    assert joint.start_bytes == 100
    assert b"".join(joint.behind(pieces(BLOB[100:]))) == BLOB[100:]


class Uploads:
    """Workers, nodes and reader of a gateway in one: each answer names what is read next, from a source that may break."""

    def __init__(self, *sources: tuple[str, bytes, int | None]) -> None:
        """Upload ("": the blob itself), its bytes, and where its node dies."""
        self.sources = list(sources)

    def fetch_blob(self, *_args):
        self.now = self.sources.pop(0)
        return Underway(self.now[0], len(BLOB)) if self.now[0] else None

    def by_upload(self, _upload_id):
        return self

    def follow_upload(self, _upload_id, start_bytes, _patience):
        _, data, dies_at = self.now
        yield from pieces(data[start_bytes:dies_at])
        if dies_at is not None:
            raise NodeUnreachableError("it was killed")

    def read(self, _want, start_bytes, length_bytes):
        end = None if length_bytes is None else start_bytes + length_bytes
        return pieces(self.now[1][start_bytes:end])

    def pulled(self, first: int = 0, last: int = len(BLOB)) -> bytes:
        following = Following(self, self, self, ManualClock(), lambda _seconds: None, Sharing())
        return b"".join(following.read(REPO, WANT, first, last - first))


@pytest.mark.parametrize("then", ["two", ""])
@pytest.mark.parametrize("span", [(0, len(BLOB)), (20, 200), (150, 256)])
def test_an_upload_that_is_lost_with_its_node_is_completed_by_the_next(then: str, span: tuple[int, int]) -> None:
    uploads = Uploads(("one", BLOB, 100), (then, BLOB, None))
    assert uploads.pulled(*span) == BLOB[slice(*span)]


@pytest.mark.parametrize("then", ["two", ""])
def test_wrong_bytes_of_a_lost_upload_are_never_completed(then: str) -> None:
    with pytest.raises(CorruptError):
        Uploads(("one", WRONG, 100), (then, BLOB, None)).pulled()


def test_an_upload_whose_node_comes_back_is_gone_on_with() -> None:
    assert Uploads(("one", BLOB, 100), ("one", BLOB, None)).pulled() == BLOB
