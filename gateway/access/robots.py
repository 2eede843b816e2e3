"""Robot accounts at the door: ``robot$team+ci`` and its secret.

Promises: as with API keys, what was removed or rotated ends within ``FRESH_SECONDS`` and a read of the metadata; so do its tokens.
A user name that begins with ``robot$`` is asked about nowhere else. What a robot may is what its scopes say (without scopes: what
the rules allow to its name), and nothing beyond its namespace.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.access.ways import Proven, Standing
from holdfast.access.identity import Identity, Way
from holdfast.access.keyscopes import KeyScopes
from holdfast.access.keytext import digest_of
from holdfast.access.robots import MARK, RobotLimit, of_user
from holdfast.errors import InputError
from holdfast.replicas.remembered import Remembered

if TYPE_CHECKING:
    from gateway.access.guesses import Guesses
    from gateway.access.uses import Uses
    from holdfast.clock import Clock
    from holdfast.meta.robots import Robot, RobotBook

FRESH_SECONDS: Final = 1.0
_REMEMBERED: Final = 20_000


@dataclass(frozen=True, slots=True)
class _Found:
    """What the metadata said a moment ago."""

    robot: Robot
    proven: Proven


class Robots:
    """Shared by threads."""

    def __init__(self, book: RobotBook, guesses: Guesses, uses: Uses, clock: Clock) -> None:
        self._book = book
        self._guesses = guesses
        self._uses = uses
        self._clock = clock
        self._fresh: Remembered[str, _Found] = Remembered(clock, FRESH_SECONDS, _REMEMBERED)

    @property
    def word(self) -> str:
        return Way.ROBOT.value

    def check(self, user: str, password: str, address: str) -> Proven | None:
        """As PasswordWay."""
        if not user.startswith(MARK):
            return None
        return self._guesses.judge(user, password, address, lambda: self._proven(user, password))

    def standing(self, name: str) -> Standing | None:
        """Of the robot with this user name; its mark is the hash of its secret."""
        found = self._find(name)
        return None if found is None else Standing(found.robot.digest.hex(), found.proven)

    def _proven(self, user: str, secret: str) -> Proven | None:
        found = self._find(user)
        if found is None or not hmac.compare_digest(found.robot.digest, digest_of(secret)):
            return None
        self._uses.note(found.robot.place, found.robot.revision)
        return found.proven

    def _find(self, user: str) -> _Found | None:
        found = self._fresh.get(user)
        if found is None:
            try:
                name = of_user(user)
            except InputError:
                return None
            robot = self._book.find(name)
            if robot is None:
                return None
            found = _Found(robot, self._as_proven(robot))
            self._fresh.put(user, found)
        return None if found.robot.is_over(self._clock.wall()) else found

    def _as_proven(self, robot: Robot) -> Proven:
        own = RobotLimit(robot.name, KeyScopes.of(robot.scopes) if robot.scopes else None)
        user = robot.name.user
        return Proven(Identity(user, Way.ROBOT), (own,), f"{self.word}:{user}", own=own if robot.scopes else None)
