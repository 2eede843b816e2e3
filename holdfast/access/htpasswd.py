"""The text of an htpasswd file: ``user:hash`` lines.

Promises: blank lines and those that begin with ``#`` mean nothing. A line that cannot be used is reported by its number with what
is wrong and what to do, and keeps nobody else out. Of two lines for one user the last counts, as for Apache.

Never: opens the file, and never a hash or a password in a report.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.access.passwords import problem_of

if TYPE_CHECKING:
    from collections.abc import Mapping

# A file of ten thousand users has well below a mebibyte.
MAX_BYTES: Final = 64 * 1024 * 1024
REMEDY: Final = "write it anew with `htpasswd -B` or `holdfast user passwd`"


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that is left out. ``user`` "": it names nobody."""

    line: int
    user: str
    reason: str


@dataclass(frozen=True, slots=True)
class Users:
    """``hashes`` by user."""

    hashes: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def parse(text: str) -> Users:
    """What the file says."""
    hashes: dict[str, str] = {}
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        user, colon, hashed = entry.partition(":")
        hashed = hashed.partition(":")[0]
        reason = "no user:hash line" if not colon or not user else problem_of(hashed)
        if reason is None:
            hashes[user] = hashed
            continue
        hashes.pop(user, None)
        problems.append(Problem(number, user if colon else "", reason))
    return Users(hashes, tuple(problems))
