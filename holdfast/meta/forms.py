"""Which forms of records may be written: versions as values, and the oldest version that this process knows to be running.

N and N+1 run together while a cluster is upgraded. A program reads every form up to its own newest, so a form that version N does
not know may be written only once the operator has declared that nothing older than N+1 runs any more (``cluster/min_version``, see
``holdfast.meta.versions``).

:data:`RUNNING` holds that declaration for this process. It is one cell for all encoders because a process belongs to one cluster,
and it may lag behind: the minimum only rises, so whoever has not heard of it yet writes an older form, which everybody reads. It is
never ahead of the store.

Never here: I/O, and no record's own fields.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import RequestInvalidError

if TYPE_CHECKING:
    from collections.abc import Mapping

_GRAMMAR: Final = re.compile(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?(?:(?:[.+-]|a|b|rc)[0-9A-Za-z.+-]*)?")


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A version as far as forms go: a pre-release of 0.2.0 reads and writes what 0.2.0 does."""

    major: int
    minor: int
    patch: int = 0

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


def parse(text: str) -> Version:
    """Raises RequestInvalidError: no version."""
    found = _GRAMMAR.fullmatch(text)
    if found is None:
        raise RequestInvalidError(f"{text!r} is no version; write it like 0.2.0")
    return Version(*(int(part or 0) for part in found.groups()))


# Before anybody has declared anything: every form that later versions brought has to wait.
OLDEST: Final = Version(0, 0)


def writable(newest: int, since: Mapping[int, Version], minimum: Version) -> int:
    """The newest form up to ``newest`` that all versions from ``minimum`` on read; ``since``: the first version that reads a form.

    A form that is not in ``since`` is older than all versions that count.
    """
    return max(form for form in range(1, newest + 1) if since.get(form, OLDEST) <= minimum)


class Running:
    """The minimum as last heard. Only rises. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._minimum = OLDEST

    @property
    def minimum(self) -> Version:
        return self._minimum

    def heard(self, minimum: Version) -> None:
        with self._lock:
            self._minimum = max(self._minimum, minimum)


RUNNING: Final = Running()
