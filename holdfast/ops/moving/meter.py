"""Bytes that are moved: as a bar for people, as a limit for the network, and as the way to stop all threads.

Promises: after ``stop`` every thread ends with its next piece. The limit holds over any second or two, for all threads together.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from holdfast.errors import UnavailableError
from holdfast.ops.console import people

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Self

    from syncworker.upstream.pace import Time


class Meter:
    """Shared by threads. ``bytes_per_second`` 0: no limit. Leave its block to take the bar away."""

    def __init__(self, time: Time, bytes_per_second: int = 0, *, shown: bool = True) -> None:
        self._time = time
        self._bytes_per_second = bytes_per_second
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._free_at = 0.0
        self.sent_bytes = 0
        self._total_bytes = 0
        console = people(to_errors=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not shown or not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def about(self, text: str) -> None:
        """What is at work."""
        self._bar.update(self._task, description=text)

    def expect(self, size_bytes: int) -> None:
        """So much more is to be there in the end."""
        with self._lock:
            self._total_bytes += size_bytes
            self._bar.update(self._task, total=self._total_bytes)

    def there(self, size_bytes: int) -> None:
        """So much need not be moved."""
        self._bar.advance(self._task, size_bytes)

    def moved(self, size_bytes: int) -> None:
        """So much was sent, or is about to be. Raises UnavailableError: the work is to end."""
        if self._over.is_set():
            raise UnavailableError("stopped before it was done; the same command goes on from here")
        self._bar.advance(self._task, size_bytes)
        with self._lock:
            self.sent_bytes += size_bytes
        self._wait(size_bytes)

    def counted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The same pieces, each told of when it is taken. Raises as :meth:`moved`, and what ``pieces`` raises."""
        for piece in pieces:
            self.moved(len(piece))
            yield piece

    def stop(self) -> None:
        """End it, in all threads."""
        self._over.set()

    def _wait(self, size_bytes: int) -> None:
        if not self._bytes_per_second:
            return
        now = self._time.clock.monotonic()
        with self._lock:
            turn = max(now, self._free_at)
            self._free_at = turn + size_bytes / self._bytes_per_second
        if turn > now:
            self._time.pause(turn - now)
