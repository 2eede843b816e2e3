"""One stream of a growing upload for all who read it in this process.

    reader ──at the head──────▶ draws the next message itself, for all; while one draws, the others wait
           ──a little behind──▶ takes it from what is kept
           ──further behind───▶ begins another stream where it stands, and leaves it for the first when it has caught up

Promises
    * Readers that keep up with each other cost the storage node one stream, however many they are.
    * A reader that is slow or leaves holds up no other. The last one to leave ends the stream.
    * What all streams keep together is bounded: by ``kept_bytes``, or by one message each where that is more.
    * A stream's error is the error of all who read it; nobody goes on behind it.

Never: a thread of its own, or an opinion about who may read what.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    Piece = bytes | memoryview
    # A stream of an upload from an offset on.
    Begin = Callable[[int], Iterator[Piece]]

KEPT_BYTES: Final = 64 << 20
# More than that behind, a reader is slow, not late.
_WINDOW_BYTES: Final = 4 << 20


class Sharing:
    """Shared by threads."""

    def __init__(self, kept_bytes: int = KEPT_BYTES, window_bytes: int = _WINDOW_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._window_bytes = window_bytes
        self._lock = threading.Lock()
        self._crowds: dict[str, _Crowd] = {}
        self._streams = 0

    def read(self, upload_id: str, offset_bytes: int, begin: Begin) -> Generator[Piece, None, None]:
        """Messages from ``offset_bytes`` on; closing it leaves. Raises what the stream raises that ``begin`` made."""
        with self._lock:
            crowd = self._crowds.setdefault(upload_id, _Crowd(self))
            crowd.readers += 1
        reader = _Reader(offset_bytes)
        try:
            while (piece := crowd.next(reader, begin)) is not None:
                yield piece
                reader.at_bytes += len(piece)
        finally:
            crowd.leave(reader)
            with self._lock:
                crowd.readers -= 1
                if not crowd.readers:
                    del self._crowds[upload_id]

    def counted(self, change: int) -> None:
        """So many streams more than before."""
        with self._lock:
            self._streams += change

    def window_bytes(self) -> int:
        """How much one stream may keep now, beside its last message."""
        return min(self._window_bytes, self._kept_bytes // max(1, self._streams))


class _Reader:
    def __init__(self, at_bytes: int) -> None:
        self.at_bytes = at_bytes
        self.stream: _Stream | None = None


class _Stream:
    """Guarded by its crowd. ``kept``: the last messages, each with its offset; ``head_bytes`` is the offset behind them."""

    def __init__(self, at_bytes: int, source: Iterator[Piece]) -> None:
        self.head_bytes = at_bytes
        self.source = source
        self.kept: deque[tuple[int, Piece]] = deque()
        self.readers = 0
        self.is_drawn = False
        self.is_over = False
        self.error: Exception | None = None

    def covers(self, at_bytes: int) -> bool:
        first_bytes = self.kept[0][0] if self.kept else self.head_bytes
        return first_bytes <= at_bytes <= self.head_bytes

    def after(self, at_bytes: int) -> Piece | None:
        """What is kept of the message at this offset."""
        for start, piece in reversed(self.kept):
            if start == at_bytes:
                return piece
            if start < at_bytes:
                return memoryview(piece)[at_bytes - start :] if at_bytes < start + len(piece) else None
        return None

    def keep(self, piece: Piece, window_bytes: int) -> None:
        self.kept.append((self.head_bytes, piece))
        self.head_bytes += len(piece)
        while len(self.kept) > 1 and self.head_bytes - self.kept[0][0] > window_bytes:
            self.kept.popleft()


class _Crowd:
    """All who read one upload. ``readers``: guarded by ``Sharing``."""

    def __init__(self, sharing: Sharing) -> None:
        self.readers = 0
        self._sharing = sharing
        self._changed = threading.Condition()
        self._streams: list[_Stream] = []

    def next(self, reader: _Reader, begin: Begin) -> Piece | None:
        """The next message for this reader; None: the stream is at its end."""
        while True:
            with self._changed:
                stream = self._settle(reader, begin)
                piece = stream.after(reader.at_bytes)
                if piece is not None:
                    return piece
                if stream.error is not None:
                    raise stream.error
                if stream.is_over:
                    return None
                if stream.is_drawn:
                    self._changed.wait()
                    continue
                stream.is_drawn = True
            self._draw(stream)

    def _settle(self, reader: _Reader, begin: Begin) -> _Stream:
        """The stream that this reader takes its next message from: the oldest one that has come as far and still has it."""
        stream = reader.stream
        if stream is not None and (stream.is_over or stream.after(reader.at_bytes) is not None):
            return stream
        others = (other for other in self._streams if other.covers(reader.at_bytes))
        found = next(others, None) or self._begun(reader.at_bytes, begin)
        if found is not stream:
            self._part(stream)
            reader.stream = found
            found.readers += 1
        return found

    def _begun(self, at_bytes: int, begin: Begin) -> _Stream:
        stream = _Stream(at_bytes, begin(at_bytes))
        self._streams.append(stream)
        self._sharing.counted(1)
        return stream

    def _draw(self, stream: _Stream) -> None:
        piece, error = None, None
        try:
            piece = next(stream.source, None)
        except Exception as raised:  # noqa: BLE001 - it is raised again, to each who reads this stream
            error = raised
        with self._changed:
            stream.is_drawn = False
            if piece is None:
                stream.is_over, stream.error = True, error
                self._forget(stream)
            else:
                stream.keep(piece, self._sharing.window_bytes())
            self._changed.notify_all()

    def leave(self, reader: _Reader) -> None:
        with self._changed:
            self._part(reader.stream)

    def _part(self, stream: _Stream | None) -> None:
        if stream is None:
            return
        stream.readers -= 1
        if not stream.readers:
            self._forget(stream)

    def _forget(self, stream: _Stream) -> None:
        """Nobody new may join it, and nobody draws from it at this moment."""
        if stream in self._streams:
            self._streams.remove(stream)
            self._sharing.counted(-1)
            close = getattr(stream.source, "close", None)
            if close is not None:
                close()
