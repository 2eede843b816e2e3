"""What an API key or a robot may be used for: globs of repositories, and actions.

    team/**:read,create            zot's words: read, create, update, delete; * for all of them
    team/app:pull,push             docker's: push is create and update
    repository:team/app:pull       a scope as docker writes it
    team/app                       everything in it

Promises: what is malformed is refused, never taken for less or for more. No scopes at all allow nothing: who wants everything says
``**:*``.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.access.actions import Action
from holdfast.errors import RequestInvalidError
from holdfast.patterns.globs import Glob

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EVERYTHING: Final = "**:*"
MOST_SCOPES: Final = 64
_LONGEST: Final = 512
_REMEMBERED: Final = 2_000
_DOCKER: Final = "repository:"
_ALL: Final = frozenset({Action.READ, Action.CREATE, Action.UPDATE, Action.DELETE})
_WORDS: Final = {
    "*": _ALL,
    "pull": frozenset({Action.READ}),
    "push": frozenset({Action.CREATE, Action.UPDATE}),
    **{action.value: frozenset({action}) for action in _ALL},
}


@dataclass(frozen=True, slots=True)
class KeyScope:
    """One line: where, and what.

    Raises:
        RequestInvalidError: it is no scope; the message says why.
    """

    text: str
    glob: Glob = field(init=False, compare=False)
    actions: frozenset[Action] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if not self.text or len(self.text) > _LONGEST or not self.text.isprintable():
            raise RequestInvalidError(f"a scope has 1 to {_LONGEST} printable characters")
        glob, colon, words = self.text.removeprefix(_DOCKER).rpartition(":")
        if not colon:
            glob, words = words, "*"
        try:
            object.__setattr__(self, "glob", Glob(glob.strip()))
        except ValueError as error:
            raise RequestInvalidError(f"the repositories of scope {self.text!r}: the glob {error}") from error
        if not glob.strip("/ "):
            raise RequestInvalidError(f"scope {self.text!r} names no repository; write ** for all of them")
        object.__setattr__(self, "actions", _actions(self.text, words))

    def allows(self, action: Action, repository: str) -> bool:
        return action in self.actions and self.glob.matches(repository)


def _actions(text: str, words: str) -> frozenset[Action]:
    found: frozenset[Action] = frozenset()
    for word in words.split(","):
        meant = _WORDS.get(word.strip())
        if meant is None:
            raise RequestInvalidError(
                f"scope {text!r}: {word.strip()!r} is no action; write pull, push, read, create, update, delete or *"
            )
        found |= meant
    return found


@dataclass(frozen=True, slots=True)
class KeyScopes:
    """All scopes of a key. Raises RequestInvalidError: too many."""

    scopes: tuple[KeyScope, ...] = ()
    # Asked at every request, about the same few repositories.
    _allowed: Callable[[Action, str], bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.scopes) > MOST_SCOPES:
            raise RequestInvalidError(f"a key has at most {MOST_SCOPES} scopes")
        object.__setattr__(self, "_allowed", functools.lru_cache(_REMEMBERED)(self._decide))

    @classmethod
    def of(cls, texts: Sequence[str]) -> KeyScopes:
        """Raises RequestInvalidError."""
        return cls(tuple(KeyScope(text) for text in dict.fromkeys(texts)))

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(scope.text for scope in self.scopes)

    def allows(self, action: Action, repository: str) -> bool:
        return self._allowed(action, repository)

    def lists(self, repository: str) -> bool:
        return self.allows(Action.READ, repository)

    @property
    def shows_catalog(self) -> bool:
        """Its list is as long as ``lists`` makes it."""
        return True

    def _decide(self, action: Action, repository: str) -> bool:
        # Who has that "action" may do less: it goes with what it restrains.
        meant = Action.DELETE if action is Action.DETECT_COLLISION else action
        return any(scope.allows(meant, repository) for scope in self.scopes)
