r"""Whether a repository glob or a tag expression can be compiled at all.

Promises: says what is wrong with a pattern in words, or nothing. Globs are doublestar's (zot's matcher): ``*``, ``**``,
``?``, ``[class]``, ``{a,b}`` and a backslash before a literal character.

Never: matches anything. Regular expressions are judged by Python's ``re``, which refuses a few forms that Go's RE2 takes
(``\z``, ``\pL``) and takes a few that RE2 refuses (look-around).
"""

from __future__ import annotations

import re
import warnings


def glob_problem(pattern: str) -> str | None:
    """What keeps this glob from compiling; None when nothing does."""
    depth = position = 0
    while position < len(pattern):
        character = pattern[position]
        if character == "\\":
            if position + 1 == len(pattern):
                return "ends in a backslash that escapes nothing"
            position += 1
        elif character == "[":
            end = _class_end(pattern, position)
            if end is None:
                return "has a [ that is never closed, or an empty class"
            position = end
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth < 0:
                return "has a } without a {"
        position += 1
    return "has a { that is never closed" if depth else None


def _class_end(pattern: str, start: int) -> int | None:
    """The index of the ``]`` that closes the class opened at ``start``."""
    position = start + 1
    if pattern[position : position + 1] in {"^", "!"}:
        position += 1
    first = position
    while position < len(pattern) and pattern[position] != "]":
        position += 2 if pattern[position] == "\\" else 1
    return position if first < position < len(pattern) else None


def regex_problem(pattern: str) -> str | None:
    """What keeps this regular expression from compiling; None when nothing does."""
    try:
        with warnings.catch_warnings():
            # Odd but legal forms draw warnings from `re`; they are the author's business.
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except re.error as error:
        return f"does not compile: {error.msg}" + (f" at character {error.pos + 1}" if error.pos is not None else "")
    except (OverflowError, RecursionError):
        return "does not compile: it repeats or nests too much"
    return None
