"""Scopes of tokens: ``repository:<name>:<actions>`` (distribution's token specification, "Requesting a Token").

Promises: what is malformed, or of a kind that is not known, asks for nothing; less than asked is no error. A name may hold colons
(``host:port/name``), so a scope is split from both ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from holdfast.access.actions import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

REPOSITORY: Final = "repository"
REGISTRY: Final = "registry"
CATALOG: Final = "catalog"
_WORDS: Final = {
    "pull": frozenset({Action.READ}),
    "push": frozenset({Action.CREATE, Action.UPDATE}),
    "delete": frozenset({Action.DELETE}),
}
_ALL: Final = "*"
_WORD_OF: Final = {
    Action.READ: "pull",
    Action.CREATE: "push",
    Action.UPDATE: "push",
    Action.DELETE: "delete",
    Action.DETECT_COLLISION: "delete",
}
# docker asks for two, containerd for one a repository of a build.
MOST_SCOPES: Final = 64


@dataclass(frozen=True, slots=True)
class Scope:
    """One resource and words for what may be done with it."""

    kind: str
    name: str
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}:{','.join(self.words)}"

    def as_claim(self) -> dict[str, Any]:
        return {"type": self.kind, "name": self.name, "actions": list(self.words)}


WHOLE_CATALOG: Final = Scope(REGISTRY, CATALOG, (_ALL,))


def parse(texts: Iterable[str]) -> tuple[Scope, ...]:
    """What a client asks for; each text may hold several scopes, separated by blanks."""
    words = [word for text in texts for word in text.split()]
    return tuple(scope for scope in map(_one, words[:MOST_SCOPES]) if scope is not None)


def _one(text: str) -> Scope | None:
    kind, first, rest = text.partition(":")
    name, last, actions = rest.rpartition(":")
    if not kind or not first or not last or not name.strip(":"):
        return None
    # A class as in repository(plugin): of no consequence here.
    return Scope(kind.partition("(")[0], name, tuple(dict.fromkeys(word for word in actions.split(",") if word)))


def needed(action: Action, repository: str) -> Scope:
    """What a client should ask a token for; a push reads as well."""
    word = _WORD_OF[action]
    return Scope(REPOSITORY, repository, ("pull",) if word == "pull" else ("pull", word))


def granted(asked: Iterable[Scope], could: Callable[[Action, str], bool]) -> tuple[Scope, ...]:
    """What of it is allowed. ``could`` tells whether an action on a repository is ever allowed to who asks."""
    found: list[Scope] = []
    for scope in asked:
        if scope.kind == REGISTRY and scope.name == CATALOG:
            if _ALL in scope.words:
                found.append(WHOLE_CATALOG)  # the catalog shows only what may be read
        elif scope.kind == REPOSITORY:
            words = tuple(_WORDS) if _ALL in scope.words else scope.words
            kept = tuple(
                word for word in words if any(could(action, scope.name) for action in _WORDS.get(word, frozenset()))
            )
            if kept:
                found.append(Scope(scope.kind, scope.name, kept))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows: no more than this, and no more than its owner may."""

    scopes: tuple[Scope, ...] = ()

    def allows(self, action: Action, repository: str) -> bool:
        word = _WORD_OF[action]
        return any(
            scope.kind == REPOSITORY and scope.name == repository and word in scope.words for scope in self.scopes
        )

    def lists(self, _repository: str) -> bool:
        """A token for the catalog is for all of it that its owner may read; ``shows_catalog`` says whether it is one."""
        return True

    @property
    def shows_catalog(self) -> bool:
        return any(scope.kind == REGISTRY and scope.name == CATALOG and _ALL in scope.words for scope in self.scopes)

    @classmethod
    def of_claims(cls, claims: Sequence[dict[str, Any]]) -> Grant:
        """Raises ValueError, KeyError, TypeError: no claims of ours."""
        return cls(tuple(Scope(str(one["type"]), str(one["name"]), tuple(map(str, one["actions"]))) for one in claims))
