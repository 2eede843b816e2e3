"""Robot accounts: programs that belong to a namespace, and may do nothing outside of it.

    robot$<namespace>+<name>       the user name, as docker login takes it: robot$team/apps+ci

Promises: a robot's rights end at the repositories below its namespace, whatever its scopes or the rules say. User names that begin
with ``robot$`` are robots' alone: no other way of logging in is asked about them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast import names
from holdfast.errors import RequestInvalidError

if TYPE_CHECKING:
    from holdfast.access.actions import Action
    from holdfast.access.keyscopes import KeyScopes

MARK: Final = "robot$"
_SPLIT: Final = "+"
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class RobotName:
    """Raises NameInvalidError: the namespace is none. RequestInvalidError: the name is none."""

    namespace: str
    name: str

    def __post_init__(self) -> None:
        names.repository(self.namespace)
        if not _NAME.fullmatch(self.name):
            raise RequestInvalidError(
                "a robot's name is 1 to 64 lower-case letters, digits, dots, dashes and _, with a letter or digit at its ends"
            )

    @property
    def user(self) -> str:
        return f"{MARK}{self.namespace}{_SPLIT}{self.name}"

    def holds(self, repository: str) -> bool:
        """Whether a repository is below the namespace."""
        return repository.startswith(f"{self.namespace}/")


def of_user(user: str) -> RobotName:
    """Of ``robot$team+ci``. Raises NameInvalidError, RequestInvalidError."""
    namespace, split, name = user.removeprefix(MARK).rpartition(_SPLIT)
    if not user.startswith(MARK) or not split:
        raise RequestInvalidError(f"a robot's user name is {MARK}NAMESPACE{_SPLIT}NAME")
    return RobotName(namespace, name)


def of_path(path: str) -> RobotName:
    """Of ``team/ci``, or of a user name. Raises NameInvalidError, RequestInvalidError."""
    if path.startswith(MARK):
        return of_user(path)
    namespace, split, name = path.rpartition("/")
    if not split:
        raise RequestInvalidError("name a robot as NAMESPACE/NAME: team/ci")
    return RobotName(namespace, name)


def require_below(name: RobotName, scopes: KeyScopes) -> None:
    """Raises RequestInvalidError: a scope speaks of repositories that cannot be below the namespace."""
    for scope in scopes.scopes:
        literal = scope.glob.literal
        if not name.holds(f"{literal}/" if not scope.glob.is_literal else literal):
            raise RequestInvalidError(
                f"scope {scope.text!r} reaches beyond {name.namespace}/; write {name.namespace}/**:pull,push"
            )


@dataclass(frozen=True, slots=True)
class RobotLimit:
    """``scopes`` None: all that the rules allow to it, below its namespace."""

    name: RobotName
    scopes: KeyScopes | None = None

    def allows(self, action: Action, repository: str) -> bool:
        return self.name.holds(repository) and (self.scopes is None or self.scopes.allows(action, repository))

    def lists(self, repository: str) -> bool:
        return self.name.holds(repository) and (self.scopes is None or self.scopes.lists(repository))

    @property
    def shows_catalog(self) -> bool:
        return True
