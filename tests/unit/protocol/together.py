"""All that many actors can do to each other, step by step: each state once, each step held against the model, each end judged.

    found = explored(lambda: scene(""))      # Totals, or Wrong with the order of steps that leads to it

An order is one of ``exploring`` as well: ``exploring.replayed`` has it happen again in one world, with nothing remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from tests.unit.protocol.remembering import Memory, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from tests.unit.protocol.model import Link, Operation
    from tests.unit.protocol.remembering import Content, Move, Of

# World, whose operation has happened, whose could have been refused (as bits), stances.
State: TypeAlias = "tuple[int, ...]"
_STANCES = 3


class Judged(Stage, Protocol):
    """``operations``: of the actors, in their order."""

    def operations(self) -> Sequence[Operation]: ...

    def links_in(self, content: Content) -> frozenset[Link]: ...

    def lost_in(self, content: Content) -> list[str]:
        """What is missing as soon as it is so, whoever is still at work. As sentences."""

    def links_among(self, changed: frozenset[Of]) -> set[Link]: ...

    def ended(self, effects: Sequence[Hashable]) -> list[str]:
        """What is wrong when all are done, as sentences; the content is that of ``load``."""

    def acknowledged_in(self, effects: Hashable) -> bool: ...


@dataclass(frozen=True)
class Totals:
    """``places``: where an actor can stand; ``worlds``: without revisions and stamps; ``ends``: states in which all are done."""

    states: int
    steps: int
    ends: int
    places: int
    worlds: int
    orders: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Wrong:
    """``order``: who moved when."""

    sentences: list[str]
    order: tuple[int, ...]


class _Found(Exception):
    """Raised where it is seen; ``mover``: after this one's step."""

    def __init__(self, *sentences: str) -> None:
        super().__init__(*sentences)
        self.sentences = list(sentences)
        self.mover: int | None = None


class _Exploration:
    def __init__(self, scene: Callable[[], Judged]) -> None:
        self._stage = scene()
        self._memory = Memory(scene)
        self._operations = self._stage.operations()
        self._links: dict[int, frozenset[Link]] = {}
        self._refused: dict[int, int] = {}
        self._happens: dict[tuple[int, int], bool] = {}
        self._judged: dict[Hashable, list[str]] = {}
        world, stances = self._memory.start()
        self._start: State = (world, 0, 0, *stances)
        self._came: dict[State, tuple[State, int] | None] = {self._start: None}
        self._steps = 0

    def run(self, sample: int) -> Totals | Wrong:
        todo, ends, orders = [self._start], 0, []
        while todo:
            state = todo.pop()
            try:
                moved = self._moved(state, todo)
                if not moved:
                    self._judge(state)
            except _Found as found:
                return Wrong(found.sentences, self._order(state, found.mover))
            if not moved:
                ends += 1
                if ends % sample == 1:
                    orders.append(self._order(state))
        memory = self._memory
        return Totals(len(self._came), self._steps, ends, memory.places, len(memory.contents), tuple(orders))

    def _moved(self, state: State, todo: list[State]) -> bool:
        """Go one step on with each; whether there was any."""
        world, memory, moved = state[0], self._memory, False
        for number, stance in enumerate(state[_STANCES:]):
            place = memory.stances[stance].place
            if place.request is None:
                continue
            moved = True
            self._steps += 1
            step = memory.move(world, stance)
            others = list(state[_STANCES:])
            if step.changed:
                others = [memory.overtaken(other, step.changed) for other in others]
            others[number] = step.stance
            try:
                happened, refused = self._held_against_the_model(state, number, step)
            except _Found as found:
                found.mover = number
                raise
            after = (step.content, happened, refused, *others)
            if after not in self._came:
                self._came[after] = (state, number)
                todo.append(after)
        return moved

    def _held_against_the_model(self, state: State, number: int, step: Move) -> tuple[int, int]:
        """Whose operation has happened by now, and whose could have been refused; nothing of who is done."""
        world, happened, refused = state[:_STANCES]
        operation, bit = self._operations[number], 1 << number
        key = (world, state[_STANCES + number])
        if key not in self._happens:
            self._happens[key] = self._is_operation(operation, world, step)
        if self._happens[key]:
            if happened & bit:
                raise _Found(f"what actor {number} does has happened twice")
            happened |= bit
        if not happened & bit and not operation.is_allowed(self._links_in(world)):
            refused |= bit
        after = self._memory.stances[step.stance].place
        if after.request is not None or operation.link is None:
            return happened, refused
        if self._stage.acknowledged_in(after.effects):
            if not happened & bit:
                raise _Found(f"actor {number} was told of what has not happened")
        elif happened & bit or not refused & bit:
            raise _Found(f"actor {number} was refused, and there was no moment for that")
        return happened & ~bit, refused & ~bit

    def _is_operation(self, operation: Operation, world: int, step: Move) -> bool:
        """Whether the step is the moment at which the operation happens."""
        links, left = self._links_in(world), self._links_in(step.content)
        written = self._stage.links_among(step.changed)
        if not written and left == links:
            return False
        if written != {operation.link} or not operation.is_allowed(links) or operation.applied(links) != left:
            raise _Found(f"links became {sorted(left)}, which is not what {operation} does to {sorted(links)}")
        return True

    def _links_in(self, world: int) -> frozenset[Link]:
        if world not in self._links:
            content = self._memory.contents[world]
            self._links[world] = self._stage.links_in(content)
            lost = self._stage.lost_in(content)
            if lost:
                raise _Found(*lost)
        return self._links[world]

    def _judge(self, state: State) -> None:
        places = [self._memory.stances[stance].place for stance in state[_STANCES:]]
        effects = tuple(place.effects for place in places)
        errors = [repr(place.error) for place in places if place.error is not None]
        key = (state[0], effects)
        if key not in self._judged:
            self._stage.load(self._memory.contents[state[0]])
            self._judged[key] = self._stage.ended(effects)
        if errors or self._judged[key]:
            raise _Found(*errors, *self._judged[key])

    def _order(self, state: State, last: int | None = None) -> tuple[int, ...]:
        found = [] if last is None else [last]
        came = self._came[state]
        while came is not None:
            state, number = came
            found.append(number)
            came = self._came[state]
        return tuple(reversed(found))


def explored(scene: Callable[[], Judged], sample: int = 1000) -> Totals | Wrong:
    """``sample``: the order of every so manyth end is kept. What is wrong in the middle comes with the order up to there."""
    return _Exploration(scene).run(sample)
