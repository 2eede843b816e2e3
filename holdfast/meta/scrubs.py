"""Scrubbing as it is told of: what each node has found in reading its copies, and the wish that one does so now.

    scrub/<node>         written by the node alone, every so often
    task/scrub/<node>    its revision tells the node that it was asked for

Promises: a report stays when its node has gone. Findings are kept for so many copies (:data:`MOST_FINDINGS`), counts for all.

Never here: reading copies, and no decision by the times, which are wall clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import json_format

from holdfast import digest as digests
from holdfast.digest import PARTITIONS
from holdfast.errors import CorruptError, DigestInvalidError, MetadataUnavailableError
from holdfast.meta import keys
from holdfast.meta.commit import insist
from holdfast.meta.records import Codec, encode_bump
from holdfast.meta.store import Put, pages
from holdfast.wire import records_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.digest import Digest
    from holdfast.meta.store import Store

MOST_FINDINGS: Final = 500
_SCRUB: Final = Codec(wire.ScrubRecord)


class State(Enum):
    """What has become of a copy that was wrong or missing."""

    OPEN = wire.FINDING_OPEN
    HEALED = wire.FINDING_HEALED
    LOST = wire.FINDING_LOST
    UNLINKED = wire.FINDING_UNLINKED


@dataclass(frozen=True, slots=True)
class Finding:
    """A copy that was wrong, or that should have been there."""

    digest: Digest
    fault: str
    state: State = State.OPEN


@dataclass(frozen=True, slots=True)
class Round:
    """All copies of a node read once. ``wrong`` of them are in quarantine; ``missing``: linked, to be here, and not here;
    ``unclear``: of those, who else may have one did not answer; ``unread``: partitions of which a directory could not be read, and
    single copies that could not.
    """

    began_seconds: float
    ended_seconds: float = 0.0
    partitions_done: int = 0
    blobs: int = 0
    size_bytes: int = 0
    wrong: int = 0
    missing: int = 0
    unclear: int = 0
    findings: tuple[Finding, ...] = ()
    unread: int = 0

    @property
    def is_whole(self) -> bool:
        """False: it was given up, because the disk could not be read."""
        return self.partitions_done >= PARTITIONS

    def counted(self, state: State) -> int:
        """Of the findings that are kept."""
        return sum(finding.state is state for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Report:
    """``answered``: the revision of the wish that the last whole round began after; ``answering``: the same of the one under way.
    None: no round under way, and none yet.
    """

    answered: int = 0
    current: Round | None = None
    last: Round | None = None
    answering: int = 0

    @property
    def is_settled(self) -> bool:
        """Whether time will change nothing any more about what the last round found."""
        return self.current is None and self.last is not None and not self.last.counted(State.OPEN)


class Scrubs:
    """Every method may raise MetadataUnavailableError, those that write OutcomeUnknownError. ``new_id`` gives 16 random bytes."""

    def __init__(self, store: Store, new_id: Callable[[], bytes]) -> None:
        self._store = store
        self._new_id = new_id

    def reports(self) -> dict[str, Report]:
        """By node id. Raises CorruptError."""
        return {keys.node_in(entry.key): _decode(entry.value) for entry in pages(self._store, *keys.SCRUBS, 50)}

    def publish(self, node_id: str, report: Report) -> None:
        record = _to_wire(report)
        record.operation_id = self._new_id()
        insist(self._store, (), [Put(keys.scrub(node_id), _SCRUB.encode(record))])

    def asked(self, node_id: str) -> int:
        """The revision at which it was asked for last; 0: never."""
        entry = self._store.get(keys.scrub_wish(node_id))
        return entry.mod_revision if entry else 0

    def ask(self, node_id: str) -> int:
        """Have the node read all its copies now; the revision of this wish."""
        insist(self._store, (), [Put(keys.scrub_wish(node_id), encode_bump(self._new_id()))])
        asked = self.asked(node_id)
        if not asked:
            raise MetadataUnavailableError("the wish for a scrub is gone again; has somebody emptied the metadata?")
        return asked


def as_json(report: Report) -> dict[str, Any]:
    """For a file."""
    return json_format.MessageToDict(_to_wire(report))


def from_json(written: dict[str, Any]) -> Report:
    """Raises CorruptError."""
    try:
        return _from_wire(json_format.ParseDict(written, wire.ScrubRecord(), ignore_unknown_fields=True))
    except json_format.ParseError as cause:
        raise CorruptError("a report on scrubbing does not parse") from cause


def _decode(value: bytes) -> Report:
    return _from_wire(_SCRUB.decode(value))


def _to_wire(report: Report) -> wire.ScrubRecord:
    return wire.ScrubRecord(
        answered=report.answered,
        answering=report.answering,
        current=_round_to_wire(report.current) if report.current else None,
        last=_round_to_wire(report.last) if report.last else None,
    )


def _round_to_wire(found: Round) -> wire.ScrubRound:
    return wire.ScrubRound(
        began_seconds=found.began_seconds,
        ended_seconds=found.ended_seconds,
        partitions_done=found.partitions_done,
        blobs=found.blobs,
        size_bytes=found.size_bytes,
        wrong=found.wrong,
        missing=found.missing,
        unclear=found.unclear,
        unread=found.unread,
        findings=[
            wire.ScrubFinding(digest=str(one.digest), fault=one.fault, state=one.state.value) for one in found.findings
        ],
    )


def _from_wire(record: wire.ScrubRecord) -> Report:
    return Report(
        record.answered,
        _round(record.current) if record.HasField("current") else None,
        _round(record.last) if record.HasField("last") else None,
        record.answering,
    )


def _round(found: wire.ScrubRound) -> Round:
    try:
        findings = [Finding(digests.parse(one.digest), one.fault, State(one.state)) for one in found.findings]
    except (DigestInvalidError, ValueError) as cause:
        raise CorruptError("a report on scrubbing does not make sense") from cause
    return Round(
        found.began_seconds,
        found.ended_seconds,
        found.partitions_done,
        found.blobs,
        found.size_bytes,
        found.wrong,
        found.missing,
        found.unclear,
        tuple(findings),
        found.unread,
    )
