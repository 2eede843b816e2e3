"""A mapping whose keys are the user's own names: repository globs, groups, routes, headers.

Promises: iteration gives every key as it was written; look-up, membership and equality ignore case, because zot's loader
folds the case of every key before anything compares it.

Invariant: no two keys differ in case only (``shape`` reports those before a map is built).

Never: changes after it is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

Value = TypeVar("Value")


class CaseMap(Mapping[str, Value]):
    """Immutable; made from any mapping."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Mapping[str, Value] | None = None) -> None:
        self._entries = {key.lower(): (key, value) for key, value in (entries or {}).items()}

    def __getitem__(self, key: str) -> Value:
        return self._entries[key.lower()][1]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.lower() in self._entries

    def __iter__(self) -> Iterator[str]:
        return (key for key, _ in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        mine = {key: value for key, (_, value) in self._entries.items()}
        return mine == {str(key).lower(): value for key, value in other.items()}

    def __hash__(self) -> int:
        return hash(frozenset(self._entries))

    def __repr__(self) -> str:
        return f"CaseMap({dict(self._entries.values())!r})"
