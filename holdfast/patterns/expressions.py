"""Regular expressions that nobody can hang a process with.

Promises: Go's syntax, by the same engine as zot's (RE2): what zot compiles is compiled, look-around and back-references are
refused. A match takes time linear in the text, whatever the expression; its memory is bounded.

Never: falls back to an engine that backtracks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

import re2

# RE2's own default. What needs more is refused when it is compiled, not when it is matched.
_MOST_MEMORY_BYTES: Final = 8 << 20
# Nothing that a person wrote comes near; globs with braces become long ones.
MOST_CHARACTERS: Final = 1 << 16


class _Match(Protocol):
    def group(self, number: int) -> str | None: ...


class _Program(Protocol):
    @property
    def groups(self) -> int: ...
    def search(self, text: str) -> _Match | None: ...
    def fullmatch(self, text: str) -> object | None: ...


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression; equal when the texts are.

    Raises:
        ValueError: it does not compile; the message tells what is wrong.
    """

    text: str
    _program: _Program = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_program", _compiled(self.text))

    def found_in(self, text: str) -> bool:
        """Whether it matches anywhere, as Go's ``MatchString``; anchors are the author's business."""
        return self._program.search(text) is not None

    def first_group_in(self, text: str) -> str:
        """What the first group takes of the first match; empty without a match, without a group, and where it takes no part."""
        found = self._program.search(text)
        return (found.group(1) or "") if found is not None and self._program.groups else ""

    def covers(self, text: str) -> bool:
        """Whether it matches the text as a whole."""
        return self._program.fullmatch(text) is not None


def _compiled(text: str) -> _Program:
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"is longer than {MOST_CHARACTERS} characters")
    options = re2.Options()
    # It would write to standard error.
    options.log_errors = False
    options.max_mem = _MOST_MEMORY_BYTES
    try:
        program: _Program = re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0] if error.args else b""
        raise ValueError(f"does not compile: {reason.decode() if isinstance(reason, bytes) else reason}") from error
    except UnicodeEncodeError as error:
        raise ValueError("does not compile: it holds half a character") from error
    return program


def regex_problem(pattern: str) -> str | None:
    """What keeps this regular expression from compiling; None when nothing does."""
    try:
        Expression(pattern)
    except ValueError as error:
        return str(error)
    return None
