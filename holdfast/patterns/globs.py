r"""Globs over repository names: doublestar's, which is zot's matcher.

Promises: ``*`` and ``?`` match within one component, ``**`` as a whole component matches any number of them, none included
(``a/**`` matches ``a``); elsewhere ``**`` is ``*``. ``[class]``, ``[^class]``, ``{a,b}`` with nesting, and a backslash before a
literal character. A match takes time linear in the name.

Invariants: ``literal`` is the run of whole components at the front that hold no special character; everything that matches
starts with it.

Never: accepts a glob that stands for more than ``MOST_ALTERNATIVES`` ones without braces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING, Final

from holdfast.patterns.expressions import Expression

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_ALTERNATIVES: Final = 256
_SPECIAL: Final = frozenset("*?[]{}\\")
_ANY_DEPTH: Final = "**"


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled glob; equal when the texts are. Slashes at its ends are not part of it.

    Raises:
        ValueError: it does not compile; the message tells what is wrong.
    """

    text: str
    literal: str = field(init=False, compare=False)
    _expression: Expression = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if problem := glob_problem(self.text):
            raise ValueError(problem)
        pattern = self.text.strip("/")
        object.__setattr__(self, "literal", _literal(pattern))
        object.__setattr__(self, "_expression", Expression(_expression(pattern)))

    @property
    def is_literal(self) -> bool:
        """Whether it means one name only."""
        return self.literal == self.text.strip("/")

    @property
    def rest(self) -> str:
        """What follows the literal components."""
        return self.text.strip("/")[len(self.literal) :].lstrip("/")

    def matches(self, name: str) -> bool:
        return self._expression.covers(name)


def glob_problem(pattern: str) -> str | None:
    """What keeps this glob from compiling; None when nothing does."""
    problem = _unbalanced(pattern)
    if problem is None:
        try:
            Expression(_expression(pattern.strip("/")))
        except ValueError as error:
            problem = str(error)
    return problem


def _unbalanced(pattern: str) -> str | None:
    depth = 0
    for piece in _pieces(pattern):
        if piece == "\\":
            return "ends in a backslash that escapes nothing"
        if piece == "[":
            return "has a [ that is never closed, or an empty class"
        depth += {"{": 1, "}": -1}.get(piece, 0)
        if depth < 0:
            return "has a } without a {"
    return "has a { that is never closed" if depth else None


def _pieces(pattern: str) -> Iterator[str]:
    """Single characters, escaped ones with their backslash, and classes as a whole. A ``[`` alone is one never closed."""
    position = 0
    while position < len(pattern):
        end = position + 1
        if pattern[position] == "\\":
            end = position + 2
        elif pattern[position] == "[":
            end = (_class_end(pattern, position) or position) + 1
        yield pattern[position:end]
        position = end


def _class_end(pattern: str, start: int) -> int | None:
    """The index of the ``]`` that closes the class opened at ``start``."""
    position = start + 1
    if pattern[position : position + 1] in {"^", "!"}:
        position += 1
    first = position
    while position < len(pattern) and pattern[position] != "]":
        position += 2 if pattern[position] == "\\" else 1
    return position if first < position < len(pattern) else None


def _literal(pattern: str) -> str:
    components = pattern.split("/")
    special = next((n for n, component in enumerate(components) if _SPECIAL & set(component)), len(components))
    return "/".join(components[:special])


def _alternatives(pattern: str) -> Iterator[str]:
    """The globs without braces that a glob stands for."""
    pending, steps = [pattern], 0
    while pending:
        current = pending.pop()
        steps += 1
        # Taking n alternatives apart takes fewer than n steps more, but for braces around a single one.
        if steps > 2 * MOST_ALTERNATIVES:
            raise ValueError(f"stands for more than {MOST_ALTERNATIVES} globs without braces")
        braces = _first_braces(current)
        if braces is None:
            yield current
            continue
        start, commas, end = braces
        cuts = [start, *commas, end]
        pending.extend(
            current[:start] + current[a + 1 : b] + current[end + 1 :] for a, b in reversed([*pairwise(cuts)])
        )


def _first_braces(pattern: str) -> tuple[int, list[int], int] | None:
    """Where the first braces open, where they separate, and where they close."""
    depth, start, position, commas = 0, -1, 0, list[int]()
    for piece in _pieces(pattern):
        if piece == "{":
            depth += 1
            start = position if depth == 1 else start
        elif piece == "," and depth == 1:
            commas.append(position)
        elif piece == "}" and depth:
            depth -= 1
            if depth == 0:
                return start, commas, position
        position += len(piece)
    return None


def _expression(pattern: str) -> str:
    return "|".join(f"(?:{_without_braces(alternative.strip('/'))})" for alternative in _alternatives(pattern))


def _without_braces(pattern: str) -> str:
    components = _components(pattern)
    made, owes_slash = r"(?s)\A", False
    for number, component in enumerate(components, 1):
        slash = "/" if owes_slash else ""
        if component != [_ANY_DEPTH]:
            made += slash + "".join(map(_translated, component))
            owes_slash = True
        elif number == len(components):
            made += "(?:/.*)?" if owes_slash else ".*"
        else:
            made += slash + "(?:.*/)?"
            owes_slash = False
    return made + r"\z"


def _components(pattern: str) -> list[list[str]]:
    """The pieces of each component; neighbouring stars are one piece."""
    components: list[list[str]] = [[]]
    for piece in _pieces(pattern):
        if piece == "/":
            components.append([])
        elif piece == "*" and components[-1][-1:] in (["*"], [_ANY_DEPTH]):
            components[-1][-1] = _ANY_DEPTH
        else:
            components[-1].append(piece)
    # Any depth below any depth is any depth.
    return [
        component
        for component, following in zip_longest(components, components[1:])
        if not component == following == [_ANY_DEPTH]
    ]


def _translated(piece: str) -> str:
    if piece.startswith("*"):
        return "[^/]*"
    if piece == "?":
        return "[^/]"
    if len(piece) > 1 and piece.startswith("["):
        negated = piece[1] in "^!"
        return f"[{'^' if negated else ''}{_members(piece[2 if negated else 1 : -1])}]"
    return re.escape(piece[1:] if piece.startswith("\\") and len(piece) > 1 else piece)


def _members(inside: str) -> str:
    """The members of a class, every one escaped; a dash between two of them stays a range."""
    members = re.findall(r"\\?.", inside, re.DOTALL)
    made = ""
    for number, member in enumerate(members):
        ranges = member == "-" and 0 < number < len(members) - 1
        made += "-" if ranges else f"\\x{{{ord(member[-1]):x}}}"
    return made
