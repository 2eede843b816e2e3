"""Every state that a few actors can reach together, each visited once.

An actor is a function that is given a :class:`Role`: whatever it does to the shared world goes through things that the role has
wrapped, and each call of these is one step, before which it may be paused for as long as one likes. It runs in a greenlet, which
moves only when it is told to.

What an actor does next depends on the answers that it had so far and on nothing else. So two runs in which every actor has had the
same answers, and the world is the same, go on in the same way: the state is (world, answers of each actor), and a run that comes to
one that was seen before is given up. That makes three actors of a dozen steps a matter of seconds: most steps only read, and
readings of different actors commute.
``together`` knows more of the actors, and takes five in a second; this is what it is held against.

for end in every_end(scene): ...        # a scene makes the world anew and says who acts in it
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from greenlet import greenlet

from holdfast.meta.store import RangePage, Snapshot, TxnResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


class World(Protocol):
    """What the actors share."""

    def actors(self) -> Sequence[Callable[[Role], object]]: ...

    def state(self) -> object:
        """Equal for worlds in which the same will happen. Its ``repr`` is looked at."""


Made = TypeVar("Made", bound=World)


class Role:
    """One actor, stopped before its next step, or done. ``answers``: a digest of all that it was told.

    ``name`` is the same in each run.
    """

    def __init__(self, name: str, actor: Callable[[Role], object]) -> None:
        self.name = name
        self.done = False
        self.error: Exception | None = None
        self._answers = blake2b(digest_size=16)
        self._director = greenlet.getcurrent()
        self._actor = greenlet(lambda: self._play(actor))
        self._actor.switch()

    @property
    def answers(self) -> bytes:
        return self._answers.digest()

    def stepped(self, target: Any) -> Any:
        """The same thing, each call a step."""
        return _Stepped(target, self)

    def told(self, answer: object) -> None:
        """What it got to know otherwise than by a step, such as the time."""
        self._answers.update(repr(answer).encode())

    def anew(self, *known: object) -> None:
        """It begins anew, and what it was told before does not matter to it but for ``known``. Here it counts all the same: this is
        what ``remembering`` is compared with.
        """

    def step(self) -> None:
        self._actor.switch()

    def abandon(self) -> None:
        self._actor.throw()

    def pause(self) -> None:
        self._director.switch()

    def _play(self, actor: Callable[[Role], object]) -> None:
        try:
            actor(self)
        except Exception as error:  # noqa: BLE001 - shown by who looks at the end
            self.error = error
        self.done = True


class _Stepped:
    def __init__(self, target: Any, role: Role) -> None:
        self._target = target
        self._role = role

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)

        def step(*args: object, **options: object) -> object:
            self._role.pause()
            try:
                answer = method(*args, **options)
            except Exception as error:
                self._role.told((name, error))
                raise
            if not isinstance(answer, (RangePage, Snapshot, TxnResult)):
                self._role.told((name, answer))
                return answer
            self._role.told((name, replace(answer, revision=0)))
            return _Dated(answer, self._role)

        return step


class _Dated:
    """An answer of the store. As of which revision it is tells states apart that are otherwise the same, so it counts as told only
    to who looks at it.
    """

    def __init__(self, answer: RangePage | Snapshot | TxnResult, role: Role) -> None:
        self._answer = answer
        self._role = role

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._answer, name)
        if name == "revision":
            self._role.told(found)
        return found


@dataclass(frozen=True)
class End(Generic[Made]):
    """All are done. ``order``: who moved when, enough to have it happen again."""

    world: Made
    order: tuple[int, ...]
    errors: tuple[Exception, ...]


def every_end(scene: Callable[[], Made]) -> Iterator[End[Made]]:
    """The world after each way of getting to a state in which all are done; each such state once."""
    seen: set[bytes] = set()
    todo: list[tuple[int, ...]] = [()]
    while todo:
        end = _explore(scene, todo.pop(), seen, todo)
        if end is not None:
            yield end


def replayed(scene: Callable[[], Made], order: Sequence[int]) -> End[Made]:
    """One of them again, to look at it."""
    end = _explore(scene, tuple(order), set(), [])
    assert end is not None, "that order was not all of it"
    return end


def played(scene: Callable[[], Made], order: Sequence[int]) -> Made:
    """The world after these steps."""
    world = scene()
    with _cast(world) as roles:
        for number in order:
            roles[number].step()
        return world


@contextlib.contextmanager
def _cast(world: World) -> Iterator[list[Role]]:
    roles = [Role(f"actor {number}", actor) for number, actor in enumerate(world.actors())]
    try:
        yield roles
    finally:
        for role in roles:
            if not role.done:
                role.abandon()


def _explore(
    scene: Callable[[], Made], prefix: tuple[int, ...], seen: set[bytes], todo: list[tuple[int, ...]]
) -> End[Made] | None:
    """Go on from a prefix that leads to a new state, as far as there is something new; notes where else one could have gone."""
    world = scene()
    with _cast(world) as roles:
        for number in prefix:
            roles[number].step()
        order = prefix
        while True:
            state = _state(world, roles)
            if state in seen:
                return None
            seen.add(state)
            moving = [number for number, role in enumerate(roles) if not role.done]
            if not moving:
                return End(world, order, tuple(role.error for role in roles if role.error is not None))
            todo.extend((*order, other) for other in moving[1:])
            order = (*order, moving[0])
            roles[moving[0]].step()


def _state(world: World, roles: Sequence[Role]) -> bytes:
    found = blake2b(repr(world.state()).encode(), digest_size=16)
    for role in roles:
        found.update(role.answers + bytes([role.done]))
    return found.digest()
