"""The configured mirrors, each under a name that stays the same when others are moved, added or taken away around it.

Invariants: an id is ten lower-case hex digits, made of the direction, the first URL, and the number of entries before it that share
both.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from holdfast.config.sync import Sync

_ID_DIGITS: Final = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """``number``: its place in the configuration. ``url``: the first one, as configured."""

    id: str
    number: int
    direction: str
    url: str

    @property
    def title(self) -> str:
        """What people call it."""
        return f"{self.direction} {self.url}"


def entries(sync: Sync | None) -> tuple[Entry, ...]:
    """All of a configuration, in its order; none when mirroring is off."""
    if sync is None or not sync.enable:
        return ()
    before: Counter[tuple[str, str]] = Counter()
    found = []
    for number, registry in enumerate(sync.registries):
        kind = (registry.direction, registry.urls[0].strip() if registry.urls else "")
        name = hashlib.sha256("\n".join((*kind, str(before[kind]))).encode()).hexdigest()[:_ID_DIGITS]
        before[kind] += 1
        found.append(Entry(name, number, *kind))
    return tuple(found)
