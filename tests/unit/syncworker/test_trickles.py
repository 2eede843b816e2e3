"""An upstream that sends a byte now and then: how long a blob of it is waited for."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.errors import UpstreamUnavailableError
from syncworker.metrics import SILENT
from syncworker.upstream.blobs import BlobStream, Resumption
from syncworker.upstream.ledger import Ledger
from syncworker.upstream.pace import Progress, Retry, Time
from syncworker.upstream.parts import Part
from syncworker.upstream.place import Origin, Place

SIZE = 1 << 20


@dataclass
class Answer:
    """So many bytes at a time, so many seconds after each other."""

    clock: ManualClock
    at_once_bytes: int
    seconds: float
    place: Place
    status: int = 206

    @property
    def home(self) -> Origin:
        return self.place.origin

    @property
    def ledger(self) -> Ledger:
        return Ledger("https://example.com", self.clock, SILENT)

    def some(self, limit_bytes: int) -> bytes:
        self.clock.advance(self.seconds)
        return bytes(min(limit_bytes, self.at_once_bytes))

    def has_more(self, seconds: float) -> bool:
        return self.seconds < seconds

    def close(self) -> None:
        """There is nothing to close."""


class Upstream:
    def __init__(self, at_once_bytes: int, seconds: float) -> None:
        self.clock = ManualClock()
        self.asked: list[int] = []
        self._answer = Answer(self.clock, at_once_bytes, seconds, Place(Origin("https", "example.com", 443), "/"))

    def stream(self) -> BlobStream:
        time = Time(self.clock, self.clock.advance, lambda: 0.0)
        part = self._part(0)
        return BlobStream(digests.of(b""), part, 0, SIZE, None, Resumption(self._part, Retry(retries=2), time))

    def _part(self, at_bytes: int) -> Part:
        self.asked.append(at_bytes)
        return Part(self._answer, at_bytes, SIZE)


def test_a_trickle_is_taken_up_again_and_then_given_up() -> None:
    upstream = Upstream(at_once_bytes=1, seconds=25.0)
    began = upstream.clock.monotonic()
    with pytest.raises(UpstreamUnavailableError, match="trickles"):
        list(upstream.stream())
    assert upstream.asked == [0, 2, 4]
    assert upstream.clock.monotonic() - began < 300


def test_a_slow_line_is_no_trickle() -> None:
    upstream = Upstream(at_once_bytes=10_000, seconds=5.0)
    assert sum(map(len, upstream.stream())) == SIZE
    assert upstream.asked == [0]


def test_a_window_ends_with_enough_bytes_and_not_before() -> None:
    progress = Progress(least_bytes=100, window_seconds=60.0)
    assert progress.is_enough(99, 59.0)
    assert progress.is_enough(1, 1.0)
    assert progress.is_enough(99, 60.0)
    assert not progress.is_enough(0, 1.0)


def test_what_has_come_does_not_wait_for_what_has_not():
    """Two pieces of one chunk are 60 ms apart: the first of them is passed on before the second is there."""
    upstream = Upstream(at_once_bytes=SIZE // 4, seconds=0.06)
    with upstream.stream() as stream:
        assert [len(chunk) for chunk in stream] == [SIZE // 4] * 4


def test_pieces_that_come_right_behind_each_other_are_gathered():
    upstream = Upstream(at_once_bytes=SIZE // 16, seconds=0.001)
    with upstream.stream() as stream:
        assert len(list(stream)) < 5
