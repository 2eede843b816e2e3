"""A node's garbage collection as a whole: its loop, and what an operator orders of it.

Promises
  * An order is carried out between two cycles, on all disks that are collected; whoever gave it follows it, and may go away.
  * A dry run changes nothing, and tells what a cycle at this moment would do.

Never here: gRPC, and when a cycle is due.
"""

from __future__ import annotations

from concurrent import futures
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from holdfast.errors import RequestInvalidError
from holdfast.rpc.collecting import NONE, Amount, News, Report, StoreReport

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from holdfast.rpc.collecting import Order
    from storagenode.collecting.loop import GoesOn, Loop
    from storagenode.collecting.part import Counted, Part

# How often whoever follows is told something, so that silence means that the node is gone.
_NEWS_SECONDS: Final = 0.5


class Leftovers(Protocol):
    """What goes without having been linked by anybody: uploads, and what is in the trash."""

    def uploads(self, *, dry_run: bool) -> tuple[Amount, Amount]:
        """Dropped because nobody touched them for long, and open."""
        ...

    def trash(self, *, dry_run: bool) -> Mapping[str, tuple[Amount, Amount]]:
        """By the route of a disk: emptied because it lay there for long enough, and still there."""
        ...


@dataclass(slots=True)
class _Board:
    """The latest news, written by one thread and read by another."""

    news: News = News()  # noqa: RUF009 - frozen

    def tell(self, step: str, done: int, total: int) -> None:
        self.news = News(step, done, total)


class Collecting:
    """``start`` once, ``stop`` once. Safe for many threads. ``parts``: the disks that are collected."""

    def __init__(self, loop: Loop, parts: Sequence[Part], leftovers: Leftovers) -> None:
        self._loop = loop
        self._parts = parts
        self._leftovers = leftovers

    @property
    def counted(self) -> dict[str, Counted]:
        """By the route of a disk."""
        return {part.route: part.counted for part in self._parts}

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        """Between two steps of a cycle; what is done is done."""
        self._loop.stop()

    def collect(self, order: Order) -> Generator[News]:
        """Have it done and follow it. The last of the news has the report.

        Raises:
            RolledBackError, MetadataUnavailableError, UnavailableError.
        """
        board = _Board()
        done = self._loop.order(lambda goes_on: self._carry_out(order, goes_on, board))
        try:
            while not futures.wait([done], _NEWS_SECONDS).done:
                yield board.news
        finally:
            done.cancel()  # only what has not begun
        yield News(report=done.result())

    def _carry_out(self, order: Order, goes_on: GoesOn, board: _Board) -> Report:
        found: dict[str, StoreReport] = {}
        for part in self._parts:
            run = part.foresee if order.dry_run else part.cycle
            found[part.route] = run(goes_on, board.tell, order.allowed_bytes.get(part.route, 0))
        board.tell("rest", 0, 1)
        dropped, still_open = self._leftovers.uploads(dry_run=order.dry_run)
        trash = self._leftovers.trash(dry_run=order.dry_run)
        stores = [found.get(route) or StoreReport(route, is_collected=False) for route in trash]
        return Report(
            tuple(_with_trash(store, *trash[store.route], dry_run=order.dry_run) for store in stores),
            dropped,
            still_open,
        )


def _with_trash(store: StoreReport, emptied: Amount, left: Amount, *, dry_run: bool) -> StoreReport:
    """What a dry run would move to the trash would be there."""
    return replace(store, emptied=emptied, trash=left + (store.swept if dry_run else NONE))


def refuse(_order: Order) -> Generator[News]:
    """For a node that has no collector. Raises RequestInvalidError."""
    raise RequestInvalidError("garbage collection is off on this node: turn storage.gc on in its configuration")
