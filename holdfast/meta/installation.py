"""Which installation this is: an id, made once, that every data directory carries as well.

Whatever finds another id than its own has other metadata before it than it was made under, and must not act on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.errors import MetadataUnavailableError
from holdfast.meta import keys
from holdfast.meta.commit import insist
from holdfast.meta.store import KeyAt, Put

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.meta.store import Store


def installation_id(store: Store, new_id: Callable[[], bytes]) -> str:
    """The id, made now if this is the first process that asks. ``new_id`` gives 16 random bytes.

    Raises:
        MetadataUnavailableError: it holds none and takes none.
    """
    found = store.get(keys.CLUSTER_ID)
    if found is None:
        insist(store, [KeyAt(keys.CLUSTER_ID, 0)], [Put(keys.CLUSTER_ID, new_id().hex().encode())])
        found = store.get(keys.CLUSTER_ID)
    if found is None:
        raise MetadataUnavailableError("the metadata holds no cluster id and takes none; restore it from a backup")
    return found.value.decode()
