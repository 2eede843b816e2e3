"""Many readers of one growing upload: how many streams they cost, and who waits for whom."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from gateway.sharing import Sharing
from holdfast.errors import CorruptError

WHOLE = bytes(range(100))


class Source:
    """An upload. ``give`` brings more of it to every stream; ``begun`` and ``ended`` have the offsets at which streams began."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.begun: list[int] = []
        self.ended: list[int] = []
        self._changed = threading.Condition()
        self._over: Exception | bool = False

    def give(self, *messages: bytes) -> None:
        with self._changed:
            self.messages += messages
            self._changed.notify_all()

    def end(self, error: Exception | None = None) -> None:
        with self._changed:
            self._over = error or True
            self._changed.notify_all()

    def begin(self, at_bytes: int):
        self.begun.append(at_bytes)
        return self._stream(at_bytes)

    def _stream(self, at_bytes: int):
        begun_at = at_bytes
        try:
            while True:
                with self._changed:
                    while not (rest := b"".join(self.messages)[at_bytes:]) and not self._over:
                        assert self._changed.wait(30)
                    if not rest and isinstance(self._over, Exception):
                        raise self._over
                if not rest:
                    return
                yield rest[:10]
                at_bytes += len(rest[:10])
        finally:
            self.ended.append(begun_at)


@pytest.fixture
def source():
    made = Source()
    yield made
    made.end()


def read(sharing, source, offset_bytes=0):
    return sharing.read("upload", offset_bytes, source.begin)


def test_readers_that_keep_up_cost_one_stream_and_get_every_byte(source):
    sharing = Sharing()
    with ThreadPoolExecutor(20) as pool:
        bodies = [pool.submit(lambda: b"".join(read(sharing, source))) for _ in range(20)]
        for start in range(0, 100, 10):
            source.give(WHOLE[start : start + 10])
        source.end()
        assert {body.result(30) for body in bodies} == {WHOLE}
    assert source.begun == [0]


def test_who_comes_later_gets_what_is_still_kept_and_joins(source):
    sharing = Sharing()
    source.give(WHOLE)
    first, second = read(sharing, source), read(sharing, source, 5)
    with closing(first), closing(second):
        assert [bytes(next(first)) for _ in range(3)] == [WHOLE[:10], WHOLE[10:20], WHOLE[20:30]]
        assert [bytes(next(second)) for _ in range(3)] == [WHOLE[5:10], WHOLE[10:20], WHOLE[20:30]]
    assert source.begun == [0]


def test_a_slow_reader_holds_nobody_up_and_comes_back_when_it_has_caught_up(source):
    sharing = Sharing(window_bytes=20)
    source.give(WHOLE[:60])
    fast, slow = read(sharing, source), read(sharing, source)
    with closing(fast), closing(slow):
        assert bytes(next(slow)) == WHOLE[:10]
        assert b"".join(next(fast) for _ in range(6)) == WHOLE[:60]
        assert b"".join(next(slow) for _ in range(5)) == WHOLE[10:60]
        assert source.begun == [0, 10]
        source.give(WHOLE[60:70])
        assert bytes(next(slow)) == bytes(next(fast)) == WHOLE[60:70]
        assert source.ended == [10]


def test_what_is_kept_is_bounded_over_all_streams(source):
    sharing = Sharing(kept_bytes=40, window_bytes=40)
    source.give(WHOLE)
    readers = [sharing.read(name, 0, source.begin) for name in "abcd"]
    for reader in readers:
        for _ in range(5):
            next(reader)
    # Each may keep ten bytes now, so that whoever comes late begins anew.
    late = sharing.read("d", 20, source.begin)
    assert bytes(next(late)) == WHOLE[20:30]
    assert source.begun == [0, 0, 0, 0, 20]
    for reader in (*readers, late):
        reader.close()
    assert sorted(source.ended) == [0, 0, 0, 0, 20]


def test_the_last_to_leave_ends_the_stream(source):
    sharing = Sharing()
    source.give(WHOLE)
    first, second = read(sharing, source), read(sharing, source)
    next(first), next(second)
    first.close()
    assert source.ended == []
    assert bytes(next(second)) == WHOLE[10:20]
    second.close()
    assert source.ended == [0]


def test_an_error_ends_it_for_all_and_the_next_reader_begins_anew(source):
    sharing = Sharing()
    told: queue.Queue[Exception] = queue.Queue()

    def run() -> None:
        try:
            for _ in read(sharing, source):
                pass
        except CorruptError as error:
            told.put(error)

    with ThreadPoolExecutor(5) as pool:
        for _ in range(5):
            pool.submit(run)
        source.give(WHOLE[:10])
        source.end(CorruptError("dropped"))
        assert {str(told.get(timeout=30)) for _ in range(5)} == {"dropped"}
    begun = len(source.begun)
    with pytest.raises(CorruptError):
        list(read(sharing, source))
    assert len(source.begun) == begun + 1
