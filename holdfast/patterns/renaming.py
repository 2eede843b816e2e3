"""What a repository is called on the other side of a mirror: zot's ``prefix``, ``destination`` and ``stripPrefix``.

Promises: ``forward`` takes a source name to the name at the destination, ``backward`` takes it back; for every name that
``forward`` takes, ``backward(forward(name)) == name``, and for every name that ``backward`` takes,
``forward(backward(name)) == name``. The prefix is a glob over source names; what ``stripPrefix`` leaves out are its literal
components, so ``a/b/*`` with the destination ``/x`` makes ``x/c`` of ``a/b/c``. Without a destination names stay below the root.

Invariants: names in and out are repository names; a name that would be none is not mapped.

Never: matches with an empty prefix (zot's meaning: such an entry means nothing).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from holdfast.errors import NameInvalidError
from holdfast.names import Repository, repository
from holdfast.patterns.globs import Glob


@dataclass(frozen=True, slots=True)
class Renaming:
    """One way of renaming.

    Raises:
        ValueError: the prefix is no glob, or the destination no place for repositories.
    """

    prefix: str
    destination: str = ""
    strip_prefix: bool = False
    _glob: Glob = field(init=False, repr=False, compare=False)
    _below: str = field(init=False, repr=False, compare=False)
    _stripped: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if problem := destination_problem(self.destination):
            raise ValueError(problem)
        object.__setattr__(self, "_glob", Glob(self.prefix))
        object.__setattr__(self, "_below", self.destination.strip("/"))
        object.__setattr__(self, "_stripped", self._glob.literal if self.strip_prefix else "")

    @property
    def means_nothing(self) -> bool:
        return not self.prefix.strip("/")

    @property
    def leaves_no_name(self) -> bool:
        """Whether the prefix is the whole name and is left out, with nothing in its place."""
        return self.strip_prefix and self._glob.is_literal and not self._below and not self.means_nothing

    @property
    def source(self) -> Repository | None:
        """The one source repository that the prefix names; None when it is a glob and a catalog is needed."""
        return _name(self._glob.literal) if self._glob.is_literal else None

    @property
    def source_literal(self) -> str:
        """What every source name starts with, whole components only."""
        return self._glob.literal

    @property
    def literal(self) -> str:
        """What every name at the destination starts with, whole components only."""
        return _joined(self._below, "" if self._stripped else self._glob.literal)

    def forward(self, source: str) -> Repository | None:
        """The name at the destination; None when the source is not meant."""
        if self.means_nothing or not self._glob.matches(source):
            return None
        return _name(_joined(self._below, _without(source, self._stripped) or ""))

    def backward(self, name: str) -> Repository | None:
        """The source of a name at the destination; None when it has none here."""
        rest = _without(name, self._below)
        if rest is None:
            return None
        source = _name(_joined(self._stripped, rest))
        # A source that the renaming would call otherwise is not the source of this name.
        return source if source is not None and self.forward(source) == name else None


def destination_problem(destination: str) -> str | None:
    """What keeps a destination from being the start of repository names; None when nothing does."""
    below = destination.strip("/")
    if below and _name(below) is None:
        return "is no start of repository names: lower-case letters, digits, single . _ - within, and / between them"
    return None


def _joined(*parts: str) -> str:
    return "/".join(filter(None, parts))


def _without(name: str, start: str) -> str | None:
    """What follows these components; None when the name does not start with them."""
    if not start:
        return name
    if name == start:
        return ""
    return name.removeprefix(f"{start}/") if name.startswith(f"{start}/") else None


def _name(text: str) -> Repository | None:
    try:
        return repository(text)
    except NameInvalidError:
        return None


# A registry without ``content``: any repository, under its own name.
IDENTITY: Final = Renaming("**")
