"""How each node has been doing lately, as this process saw it: which one to ask first, and which one to leave alone for a while.

The first is the one from which an answer is expected soonest: by how long its first bytes took, times the streams it has in hand.

A node that fails is rested for a second, then for longer; one answer ends that. What fails while it rests was begun before, and
tells nothing new: a hundred calls that a restart cut off are one failure. Nothing here decides whether a node *is* there: a
rested node is asked last, never left out, because "nobody has it" is true only when all were asked.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from holdfast.clock import Clock

_FIRST_REST_SECONDS: Final = 1.0
_LONGEST_REST_SECONDS: Final = 15.0
# Each answer moves the mean by a fifth of the difference.
_WEIGHT: Final = 0.2
# Shorter times say nothing about a node.
_LEAST_SECONDS: Final = 0.001


@dataclass(frozen=True, slots=True)
class _State:
    latency_seconds: float = 0.0
    rest_seconds: float = 0.0
    rested_until: float = 0.0


_WELL: Final = _State()


class Pulse:
    """By node id. Safe for many threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._states: dict[str, _State] = {}
        self._in_hand: Counter[str] = Counter()

    def began(self, node_id: str) -> None:
        """A stream from this node."""
        with self._lock:
            self._in_hand[node_id] += 1

    def ended(self, node_id: str) -> None:
        """However it ended."""
        with self._lock:
            self._in_hand[node_id] -= 1

    def answered(self, node_id: str, seconds: float | None) -> None:
        """``seconds``: until the first byte; None leaves the mean as it is."""
        with self._lock:
            before = self._states.get(node_id, _WELL).latency_seconds
            seconds = before if seconds is None else seconds
            mean = before + _WEIGHT * (seconds - before) if before else seconds
            self._states[node_id] = _State(mean)

    def failed(self, node_id: str) -> None:
        with self._lock:
            state, now = self._states.get(node_id, _WELL), self._clock.monotonic()
            if now < state.rested_until:
                return
            rest = min(_LONGEST_REST_SECONDS, state.rest_seconds * 2 or _FIRST_REST_SECONDS)
            self._states[node_id] = _State(state.latency_seconds, rest, now + rest)

    def is_resting(self, node_id: str) -> bool:
        with self._lock:
            return self._states.get(node_id, _WELL).rested_until > self._clock.monotonic()

    def expected_seconds(self, node_id: str) -> float:
        """Until the first byte of one more stream. Of a node that was never asked little is expected, so that it is."""
        with self._lock:
            latency = self._states.get(node_id, _WELL).latency_seconds
            return max(latency, _LEAST_SECONDS) * (1 + self._in_hand[node_id])
