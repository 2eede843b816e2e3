"""What a walk has found whose grace is not over: how much, and until when."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.rpc.collecting import Amount, Waiting

if TYPE_CHECKING:
    from storagenode.collecting.marks import Marks


@dataclass(slots=True)
class Pending:
    """``first_seconds`` and ``last_seconds`` from now: when the grace of the first and of the last of them is over."""

    count: int = 0
    size_bytes: int = 0
    first_seconds: float = math.inf
    last_seconds: float = 0.0

    def add(self, size_bytes: int, seconds: float) -> None:
        self.count += 1
        self.size_bytes += size_bytes
        self.first_seconds = min(self.first_seconds, seconds)
        self.last_seconds = max(self.last_seconds, seconds)

    def told(self) -> Waiting:
        return Waiting(
            Amount(self.count, self.size_bytes), self.first_seconds if self.count else 0.0, self.last_seconds
        )

    def __add__(self, other: Pending) -> Pending:
        return Pending(
            self.count + other.count,
            self.size_bytes + other.size_bytes,
            min(self.first_seconds, other.first_seconds),
            max(self.last_seconds, other.last_seconds),
        )


@dataclass(frozen=True, slots=True)
class Thing:
    """What a walk has seen. ``name`` tells it from others, ``stamp`` whether it is as it was."""

    name: str
    stamp: str
    size_bytes: int


def is_due(thing: Thing, grace_seconds: float, marks: Marks, pending: Pending, *, is_noted: bool) -> bool:
    """Whether its grace is over; if not, it is counted in ``pending``. ``is_noted``: the marks remember that it was seen.

    Just marked is never due, not even without any grace: a whole walk lies between a mark and what follows from it.
    """
    ask = marks.see if is_noted else marks.age
    age_seconds = ask(thing.name, thing.stamp)
    if age_seconds is not None and age_seconds >= grace_seconds:
        return True
    pending.add(thing.size_bytes, max(0.0, grace_seconds - (age_seconds or 0.0)))
    return False
