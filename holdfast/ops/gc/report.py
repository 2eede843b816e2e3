"""What nodes told of a collection, for people and for programs. Rules only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.durations import seconds
from holdfast.ops.console import bytes_text, counted, row, table
from holdfast.rpc.collecting import Amount

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.table import Table

    from holdfast.ops.console import JsonObject
    from holdfast.rpc.collecting import Report, StoreReport


@dataclass(frozen=True, slots=True)
class Outcome:
    """By node. ``failed``: why there is no report."""

    reports: dict[str, Report] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    is_dry_run: bool = False

    @property
    def held_back(self) -> dict[str, dict[str, Amount]]:
        """By node and route of a disk: what would be too much at once."""
        found = {name: {one.route: one.held_back for one in report.refused} for name, report in self.reports.items()}
        return {name: stores for name, stores in found.items() if stores}

    @property
    def _stores(self) -> Iterator[tuple[str, StoreReport]]:
        return ((name, store) for name, report in self.reports.items() for store in report.stores)

    def as_table(self) -> Table:
        numbers = ("blobs", "by retention", "links removed", "to the trash", "waiting", "trash emptied", "in the trash")
        made = table("node", "disk", *numbers, "note", right=numbers)
        for name, store in self._stores:
            amounts = (store.retired, store.links, store.swept, store.waiting.amount, store.emptied, store.trash)
            note = "" if store.is_collected else "garbage stays here"
            note = "held back" if store.refused else note
            row(made, name, store.route or "main", _text(store.blobs), *map(_text, amounts), note)
        return made

    def sentences(self) -> Iterator[str]:
        would = self.is_dry_run
        yield from self._freed()
        swept = _sum(store.swept for _, store in self._stores)
        if swept.count:
            verb = "would go" if would else "went"
            yield f"{_blobs(swept)} that nobody links {verb} to the trash, which keeps them for a day, or less where room is wanted"
        retired = _sum(store.retired for _, store in self._stores)
        if retired.count:
            verb = "would be removed" if would else "were removed"
            yield f"{counted(retired.count, 'tag or manifest', 'tags and manifests')} that no policy keeps {verb}"
        links = _sum(store.links for _, store in self._stores)
        if links.count:
            verb = "would be removed" if would else "were removed"
            yield f"{counted(links.count, 'link')} that nothing needed {verb}; the blobs follow when their grace is over"
        kept = _sum(store.kept for _, store in self._stores)
        if kept.count:
            yield f"{_blobs(kept)} had been marked, and somebody came to need them: they stay"
        waiting = [store.waiting for _, store in self._stores if store.waiting.amount.count]
        if waiting:
            amount = _sum(one.amount for one in waiting)
            first, last = min(one.first_seconds for one in waiting), max(one.last_seconds for one in waiting)
            yield (
                f"{counted(amount.count, 'link or blob', 'links and blobs')} ({bytes_text(amount.size_bytes)}) wait for their"
                f" grace: the first is over {_in(first)}, the last {_in(last)}"
            )
        open_uploads = _sum(report.uploads_open for report in self.reports.values())
        if open_uploads.count:
            yield f"{counted(open_uploads.count, 'upload')} of {bytes_text(open_uploads.size_bytes)} are open"

    def _freed(self) -> Iterator[str]:
        emptied = _sum(store.emptied for _, store in self._stores)
        dropped = _sum(report.uploads_dropped for report in self.reports.values())
        would = "would be" if self.is_dry_run else "is"
        if not emptied.count and not dropped.count:
            yield f"nothing {would} freed at once: the trash keeps what goes for a day, and no upload has been left for long enough"
            return
        parts = []
        if emptied.count:
            parts.append(f"{_copies(emptied)} that had been in the trash for long enough")
        if dropped.count:
            parts.append(
                f"{counted(dropped.count, 'upload')} of {bytes_text(dropped.size_bytes)} that nobody went on with"
            )
        yield f"{bytes_text((emptied + dropped).size_bytes)} {would} freed: {' and '.join(parts)}"

    def reasons(self) -> Iterator[str]:
        """What kept something from being done, and what to do about it."""
        for name, why in self.failed.items():
            yield f"{name}: {why}"
        for name, store in self._stores:
            if store.refused:
                disk = f", disk of {store.route}" if store.route else ""
                yield (
                    f"{name}{disk}: {store.refused}. Nothing of it goes without your word: find out why it is so much, and if it is"
                    f" right, run `holdfast gc --allow-large`, which lets {_blobs(store.held_back)} go once"
                )

    def as_json(self) -> JsonObject:
        return {
            "dryRun": self.is_dry_run,
            "freedBytes": sum(report.freed.size_bytes for report in self.reports.values()),
            "heldBack": bool(self.held_back),
            "nodes": [
                {
                    "node": name,
                    "uploadsDropped": _json(report.uploads_dropped),
                    "uploadsOpen": _json(report.uploads_open),
                    "disks": [_store_json(store) for store in report.stores],
                }
                for name, report in self.reports.items()
            ],
            "failed": [{"node": name, "reason": why} for name, why in self.failed.items()],
        }


def _sum(amounts: Iterable[Amount]) -> Amount:
    return sum(amounts, Amount())


def _text(amount: Amount) -> str:
    return f"{amount.count} ({bytes_text(amount.size_bytes)})" if amount.count else ""


def _copies(amount: Amount) -> str:
    return f"{counted(amount.count, 'copy', 'copies')} of {bytes_text(amount.size_bytes)}"


def _blobs(amount: Amount) -> str:
    return f"{counted(amount.count, 'blob')} of {bytes_text(amount.size_bytes)}"


def _in(after_seconds: float) -> str:
    return f"in {seconds(round(after_seconds))}" if after_seconds >= 1 else "at once"


def _json(amount: Amount) -> JsonObject:
    return {"count": amount.count, "bytes": amount.size_bytes}


def _store_json(store: StoreReport) -> JsonObject:
    return {
        "route": store.route,
        "collected": store.is_collected,
        "blobs": _json(store.blobs),
        "retired": _json(store.retired),
        "linksRemoved": _json(store.links),
        "toTrash": _json(store.swept),
        "kept": _json(store.kept),
        "heldBack": _json(store.held_back),
        "heldBackBecause": store.refused,
        "waiting": {
            **_json(store.waiting.amount),
            "firstDueSeconds": round(store.waiting.first_seconds, 1),
            "lastDueSeconds": round(store.waiting.last_seconds, 1),
        },
        "trashEmptied": _json(store.emptied),
        "trash": _json(store.trash),
    }
