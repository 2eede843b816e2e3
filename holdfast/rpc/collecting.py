"""What an operator orders of a node's garbage collector, what it answers, and how both cross the wire.

Units: a :class:`Amount` is a number of things and the bytes of all together. Never here: a judgement of what may go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.wire import storage_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Amount:
    """How many, and how large all together."""

    count: int = 0
    size_bytes: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.count + other.count, self.size_bytes + other.size_bytes)


NONE: Final = Amount()


@dataclass(frozen=True, slots=True)
class Order:
    """``allowed_bytes`` by the route of a disk ("" for the main one): so much may go at once, although it is more than the usual
    share. ``dry_run``: only tell.
    """

    dry_run: bool = False
    allowed_bytes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Links and blobs whose grace is not over: the first of them is due in so many seconds, the last in so many."""

    amount: Amount = NONE
    first_seconds: float = 0.0
    last_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What came of one disk; of a dry run, what would. ``route`` "": the main one.

    ``retired``: tags and manifests that no policy keeps; their bytes are those of the manifests. ``links`` were removed because
    nothing needed them; their bytes are those of the blobs they named. ``swept``: blobs that nobody links, moved to the trash.
    ``kept`` were due, and linked or asked for again meanwhile. ``held_back`` were due, and ``refused`` says why they stay.
    ``emptied`` had been in the ``trash`` long enough: only that is room on the disk.
    """

    route: str = ""
    is_collected: bool = True
    blobs: Amount = NONE
    retired: Amount = NONE
    links: Amount = NONE
    swept: Amount = NONE
    kept: Amount = NONE
    held_back: Amount = NONE
    refused: str = ""
    waiting: Waiting = Waiting()
    emptied: Amount = NONE
    trash: Amount = NONE


@dataclass(frozen=True, slots=True)
class Report:
    """``uploads_dropped``: nobody had touched them for as long as an upload may rest. ``uploads_open``: the others."""

    stores: tuple[StoreReport, ...] = ()
    uploads_dropped: Amount = NONE
    uploads_open: Amount = NONE

    @property
    def freed(self) -> Amount:
        """Room on the disk: what was in the trash long enough, and uploads."""
        return sum((store.emptied for store in self.stores), self.uploads_dropped)

    @property
    def refused(self) -> tuple[StoreReport, ...]:
        return tuple(store for store in self.stores if store.refused)


@dataclass(frozen=True, slots=True)
class News:
    """How far a collection is: ``done`` of ``total`` parts of a step. ``step`` "": it waits for another one. The last carries the
    report.
    """

    step: str = ""
    done: int = 0
    total: int = 0
    report: Report | None = None


def order_to_wire(order: Order) -> wire.CollectRequest:
    return wire.CollectRequest(dry_run=order.dry_run, allowed_bytes=order.allowed_bytes)


def order(message: wire.CollectRequest) -> Order:
    return Order(message.dry_run, dict(message.allowed_bytes))


def news_to_wire(news: News) -> wire.CollectReply:
    report = _report_to_wire(news.report) if news.report is not None else None
    return wire.CollectReply(step=news.step, done=news.done, total=news.total, report=report)


def news(message: wire.CollectReply) -> News:
    report = _report(message.report) if message.HasField("report") else None
    return News(message.step, message.done, message.total, report)


def _report_to_wire(report: Report) -> wire.CollectReport:
    return wire.CollectReport(
        stores=map(_store_to_wire, report.stores),
        uploads_dropped=_amount_to_wire(report.uploads_dropped),
        uploads_open=_amount_to_wire(report.uploads_open),
    )


def _report(message: wire.CollectReport) -> Report:
    return Report(_stores(message.stores), _amount(message.uploads_dropped), _amount(message.uploads_open))


def _store_to_wire(store: StoreReport) -> wire.CollectedStore:
    return wire.CollectedStore(
        route=store.route,
        collected=store.is_collected,
        blobs=_amount_to_wire(store.blobs),
        retired=_amount_to_wire(store.retired),
        links=_amount_to_wire(store.links),
        swept=_amount_to_wire(store.swept),
        kept=_amount_to_wire(store.kept),
        held_back=_amount_to_wire(store.held_back),
        refused=store.refused,
        waiting=_amount_to_wire(store.waiting.amount),
        first_due_seconds=store.waiting.first_seconds,
        last_due_seconds=store.waiting.last_seconds,
        emptied=_amount_to_wire(store.emptied),
        trash=_amount_to_wire(store.trash),
    )


def _stores(messages: Iterable[wire.CollectedStore]) -> tuple[StoreReport, ...]:
    return tuple(
        StoreReport(
            route=message.route,
            is_collected=message.collected,
            blobs=_amount(message.blobs),
            retired=_amount(message.retired),
            links=_amount(message.links),
            swept=_amount(message.swept),
            kept=_amount(message.kept),
            held_back=_amount(message.held_back),
            refused=message.refused,
            waiting=Waiting(_amount(message.waiting), message.first_due_seconds, message.last_due_seconds),
            emptied=_amount(message.emptied),
            trash=_amount(message.trash),
        )
        for message in messages
    )


def _amount_to_wire(amount: Amount) -> wire.Amount:
    return wire.Amount(count=amount.count, bytes=amount.size_bytes)


def _amount(message: wire.Amount) -> Amount:
    return Amount(message.count, message.bytes)
