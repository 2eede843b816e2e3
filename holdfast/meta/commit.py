"""Carrying a change through an ambiguous answer (ARCHITECTURE 3b, "Ambiguous transactions").

Promises: :func:`commit` tries a change at most twice and then knows whether it happened, or says that it does not know.
Invariant: every change can be recognised in one key, its primary, by an operation id that no other change carries.
Never here: undoing anything, and no retry of a compare that simply did not hold (that is the caller's decision).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import MetadataUnavailableError, OutcomeUnknownError
from holdfast.meta.store import TxnResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.meta.store import Compare, Entry, Op, Store

# A compare that fails means that another writer got through, so many failures in a row need as many writers at one key.
ATTEMPTS: Final = 100


@dataclass(frozen=True, slots=True)
class Change:
    """A transaction, and how to recognise it afterwards.

    ``operation_id`` is in the value that ``ops`` put at ``primary``; None: ``ops`` delete ``primary``, and its absence is all
    that was wanted. ``standing`` is the primary's mod revision as last read (0: absent).
    """

    primary: bytes
    standing: int
    operation_id: bytes | None
    compares: Sequence[Compare]
    ops: Sequence[Op]
    also_read: Sequence[bytes] = ()

    def happened(self, entry: Entry | None) -> bool:
        """Whether the primary shows that this change was made."""
        if self.operation_id is None or entry is None:
            return self.operation_id is None and entry is None
        # 16 random bytes stand in the value as they are: no other field holds them by chance.
        return self.operation_id in entry.value


def commit(store: Store, change: Change) -> TxnResult:
    """Commit it. ``succeeded`` False: a compare did not hold, and nothing was changed.

    Raises:
        OutcomeUnknownError: both answers were lost, or the primary has moved on since so that nobody can tell.
        MetadataUnavailableError: it has not happened.
    """
    unsure = False
    while True:
        try:
            result = store.txn(change.compares, change.ops, (change.primary, *change.also_read))
        except OutcomeUnknownError:
            if unsure:
                raise
            unsure = True
            continue
        except MetadataUnavailableError as cause:
            if unsure:
                raise OutcomeUnknownError("the metadata store went away before it could be asked again") from cause
            raise
        if result.succeeded:
            return result
        primary = result.found.get(change.primary)
        if change.happened(primary):
            return TxnResult(succeeded=True, revision=result.revision, found={})
        if unsure and revision_of(result.found, change.primary) != change.standing:
            raise OutcomeUnknownError("the change may have happened and been overwritten since")
        return result


def insist(store: Store, compares: Sequence[Compare], ops: Sequence[Op]) -> bool:
    """Commit what may as well happen twice; whether the compares held.

    Raises:
        OutcomeUnknownError: both answers were lost.
    """
    try:
        return store.txn(compares, ops).succeeded
    except OutcomeUnknownError:
        return store.txn(compares, ops).succeeded


def revision_of(entries: Mapping[bytes, Entry], key: bytes) -> int:
    """The key's mod revision for a compare; 0 when it is absent."""
    entry = entries.get(key)
    return entry.mod_revision if entry else 0


def crowded() -> MetadataUnavailableError:
    """What to raise after :data:`ATTEMPTS`."""
    return MetadataUnavailableError("too many writers are changing the same metadata at once; try again")
