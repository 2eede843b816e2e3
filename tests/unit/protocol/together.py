"""All that many actors can do to each other, step by step: each state once, each step held against the model, each end judged.

    found = explored(lambda: scene(""))      # Totals, or Wrong with the order of steps that leads to it

Loops of retries are loops here, so it ends although they need not. An order is one of ``exploring`` as well: ``exploring.played``
has it happen again in one world, with nothing remembered.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

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

    def summed(self, effects: Sequence[Any]) -> Hashable:
        """As if one had told all of it."""

    def ended(self, effects: Hashable) -> list[str]:
        """What is wrong when all are done, as sentences; the content is that of ``load``."""

    def acknowledged_in(self, effects: Hashable) -> bool: ...


@dataclass(frozen=True)
class Reached:
    """``order``: who moved when, enough to have it happen again."""

    order: tuple[int, ...]
    content: Content


@dataclass(frozen=True)
class Totals:
    """``ends``: states in which all are done; ``endings``: their worlds without revisions and stamps, with what was told."""

    states: int
    steps: int
    ends: int
    endings: frozenset[Hashable]
    samples: tuple[Reached, ...]


@dataclass(frozen=True)
class Wrong:
    sentences: list[str]
    reached: Reached


class _FoundError(Exception):
    """Raised where it is seen; ``step``: who took the one after which it is so."""

    def __init__(self, *sentences: str) -> None:
        super().__init__(*sentences)
        self.sentences = list(sentences)
        self.step: tuple[int, Move] | None = None


class _Exploration:
    def __init__(self, scene: Callable[[], Judged]) -> None:
        self._stage = scene()
        self._memory = Memory(scene)
        self._operations = self._stage.operations()
        self._links: dict[int, frozenset[Link]] = {}
        self._refused: dict[int, int] = {}
        self._happens: dict[tuple[int, int], bool] = {}
        self._judged: dict[tuple[int, Hashable], list[str]] = {}
        world, stances = self._memory.start()
        self._start: State = (world, 0, 0, *stances)
        self._came: dict[State, tuple[State, int] | None] = {self._start: None}
        self._steps = 0

    def run(self, sample: int) -> Totals | Wrong:
        todo, ends, samples = [self._start], 0, []
        for number in itertools.count():
            if not todo:
                endings = frozenset((self._memory.contents[world], effects) for world, effects in self._judged)
                return Totals(len(self._came), self._steps, ends, endings, tuple(samples))
            state = todo.pop()
            try:
                moved = self._moved(state, todo)
                if not moved:
                    ends += 1
                    self._judge(state)
            except _FoundError as found:
                return Wrong(found.sentences, self._reached(state, found.step))
            if number % sample == 0:
                samples.append(self._reached(state))
        raise AssertionError

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
            except _FoundError as found:
                found.step = (number, step)
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
                raise _FoundError(f"what actor {number} does has happened twice")
            happened |= bit
        if not happened & bit and not operation.is_allowed(self._links_in(world)):
            refused |= bit
        after = self._memory.stances[step.stance].place
        if after.error is not None:
            raise _FoundError(repr(after.error))
        if after.request is not None or operation.link is None:
            return happened, refused
        if self._stage.acknowledged_in(after.effects):
            if not happened & bit:
                raise _FoundError(f"actor {number} was told of what has not happened")
        elif happened & bit or not refused & bit:
            raise _FoundError(f"actor {number} was refused, and there was no moment for that")
        return happened & ~bit, refused & ~bit

    def _is_operation(self, operation: Operation, world: int, step: Move) -> bool:
        """Whether the step is the moment at which the operation happens."""
        links, left = self._links_in(world), self._links_in(step.content)
        written = self._stage.links_among(step.changed)
        if not written and left == links:
            return False
        if written != {operation.link} or not operation.is_allowed(links) or operation.applied(links) != left:
            raise _FoundError(f"links became {sorted(left)}, which is not what {operation} does to {sorted(links)}")
        return True

    def _links_in(self, world: int) -> frozenset[Link]:
        if world not in self._links:
            content = self._memory.contents[world]
            self._links[world] = self._stage.links_in(content)
            lost = self._stage.lost_in(content)
            if lost:
                raise _FoundError(*lost)
        return self._links[world]

    def _judge(self, state: State) -> None:
        places = [self._memory.stances[stance].place for stance in state[_STANCES:]]
        effects = self._stage.summed([place.effects for place in places])
        key = (state[0], effects)
        if key not in self._judged:
            self._stage.load(self._memory.contents[state[0]])
            self._judged[key] = self._stage.ended(effects)
        if self._judged[key]:
            raise _FoundError(*self._judged[key])

    def _reached(self, state: State, then: tuple[int, Move] | None = None) -> Reached:
        order, world, came = [], state[0], self._came[state]
        if then is not None:
            order, world = [then[0]], then[1].content
        while came is not None:
            order.append(came[1])
            came = self._came[came[0]]
        return Reached(tuple(reversed(order)), self._memory.contents[world])


def explored(scene: Callable[[], Judged], sample: int = 1000) -> Totals | Wrong:
    """Of every so manyth state it is told how it was reached."""
    return _Exploration(scene).run(sample)
