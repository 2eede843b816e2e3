"""Work that somebody wants done, by every node or by whoever does it: a key whose revision tells them that it was asked for.

Never here: the work, and who has done it (nodes say so under their leases).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.errors import MetadataUnavailableError
from holdfast.meta import keys
from holdfast.meta.commit import insist
from holdfast.meta.records import encode_bump
from holdfast.meta.store import Put

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.meta.store import Store


def repair_asked(store: Store) -> int:
    """The revision at which repair was asked for last; 0: never. Raises MetadataUnavailableError."""
    entry = store.get(keys.REPAIR_TASK)
    return entry.mod_revision if entry else 0


def ask_for_repair(store: Store, new_id: Callable[[], bytes]) -> int:
    """Have every node compare its copies with the others'; the revision of this wish.

    Raises:
        MetadataUnavailableError, OutcomeUnknownError.
    """
    insist(store, (), [Put(keys.REPAIR_TASK, encode_bump(new_id()))])
    asked = repair_asked(store)
    if not asked:
        raise MetadataUnavailableError("the wish for a repair is gone again; has somebody emptied the metadata?")
    return asked


def keeping_asked(store: Store) -> int:
    """The revision at which somebody wanted caches to be looked at; 0: never. Raises MetadataUnavailableError."""
    entry = store.get(keys.KEEP_ASKED)
    return entry.mod_revision if entry else 0


def ask_for_keeping(store: Store, new_id: Callable[[], bytes]) -> None:
    """Have the sync worker whose turn it is look now whether caches are within their limits.

    Raises:
        MetadataUnavailableError, OutcomeUnknownError.
    """
    insist(store, (), [Put(keys.KEEP_ASKED, encode_bump(new_id()))])
