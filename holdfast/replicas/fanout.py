"""One replicated write: to all owners at once, to the next handoff for each that fails, until enough copies are durable.

``Tally`` (holdfast.placement.quorum) decides who is asked and what has been reached; here the asking is done, in threads of
a bounded pool. What ends the waiting:

  * every owner has answered;
  * enough copies are durable, and the rest has had a moment more (half as long again as it took so far): those go on behind the
    answer, and the outcome says that the partition needs repair;
  * it has become hopeless: UnavailableError.

An owner from which nothing is heard for a while counts as failed, and its handoff is asked; if it answers after all, so much
the better.
"""

from __future__ import annotations

import queue
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import (
    HoldfastError,
    InputError,
    NodeUnreachableError,
    ReadOnlyError,
    StorageFullError,
    UnavailableError,
)
from holdfast.placement.quorum import Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from typing import TypeAlias

    from holdfast.clock import Clock
    from holdfast.replicas.directory import NodeDirectory, Placing
    from holdfast.rpc.node import NodeClient, StoredBlob

    Answers: TypeAlias = "queue.SimpleQueue[tuple[Sending, StoredBlob | HoldfastError]]"

# How often silence is looked for.
_STEP_SECONDS: Final = 0.2
_SILENCE_SECONDS: Final = 4.0
# A whole copy was sent, and the node fsyncs it.
_LAST_SILENCE_SECONDS: Final = 30.0
_LEAST_GRACE_SECONDS: Final = 0.5


@dataclass(eq=False, slots=True)
class Sending:
    """One copy on its way. The sender calls ``moved`` for each piece and ``all_sent`` after the last."""

    node_id: str
    heard_seconds: float
    clock: Clock
    patience_seconds: float = _SILENCE_SECONDS
    is_given_up: bool = False

    def moved(self) -> None:
        self.heard_seconds = self.clock.monotonic()

    def all_sent(self) -> None:
        self.moved()
        self.patience_seconds = _LAST_SILENCE_SECONDS

    def is_silent(self) -> bool:
        return self.clock.monotonic() - self.heard_seconds > self.patience_seconds


@dataclass(frozen=True, slots=True)
class Outcome:
    """Enough copies are durable. ``stored``: by node id, what those said that have answered; ``is_short``: an owner lacks
    its copy.
    """

    stored: dict[str, StoredBlob]
    is_short: bool


class FanOut:
    """Made once, used for every write."""

    def __init__(self, directory: NodeDirectory, pool: Executor, clock: Clock) -> None:
        self._directory = directory
        self._pool = pool
        self._clock = clock

    def run(
        self,
        placing: Placing,
        send: Callable[[NodeClient, Sending], StoredBlob],
        held: dict[str, StoredBlob] | None = None,
    ) -> Outcome:
        """Write copies with ``send``. ``held``: who has one already; a node that no layout names does not count.

        Raises:
            UnavailableError: fewer than the write quorum are durable. InputError: a node says that the bytes are not what they
            should be, so no node will take them.
        """
        return _Write(self, placing, send, held or {}).run()

    def submit(
        self, node: NodeClient, send: Callable[[NodeClient, Sending], StoredBlob], sending: Sending, answers: Answers
    ) -> None:
        self._pool.submit(self._send, node, send, sending, answers)

    def _send(
        self, node: NodeClient, send: Callable[[NodeClient, Sending], StoredBlob], sending: Sending, answers: Answers
    ) -> None:
        began = self._clock.monotonic()
        try:
            stored = send(node, sending)
        except HoldfastError as error:
            if isinstance(error, NodeUnreachableError):
                self._directory.failed(node)
            answers.put((sending, error))
        except BaseException as error:
            answers.put((sending, UnavailableError(f"a copy failed unexpectedly: {type(error).__name__}")))
            raise
        else:
            self._directory.answered(node, self._clock.monotonic() - began)
            answers.put((sending, stored))

    @property
    def clock(self) -> Clock:
        return self._clock


class _Write:
    """The state of one call of ``FanOut.run``."""

    def __init__(
        self,
        fan_out: FanOut,
        placing: Placing,
        send: Callable[[NodeClient, Sending], StoredBlob],
        held: dict[str, StoredBlob],
    ) -> None:
        self._fan_out = fan_out
        self._placing = placing
        self._send = send
        self._stored = dict(held)
        self._tally = Tally.begin(placing.rules, placing.owners, placing.order, placing.zones)
        self._answers: Answers = queue.SimpleQueue()
        self._under_way: set[Sending] = set()
        self._errors: list[HoldfastError] = []
        self._began = fan_out.clock.monotonic()

    def run(self) -> Outcome:
        for node_id in self._counted():
            self._tally = self._tally.stored(node_id)
        self._leave_out_the_dead()
        self._ask_next()
        grace_until = None
        while self._under_way:
            if self._tally.is_acknowledged:
                now = self._fan_out.clock.monotonic()
                grace_until = grace_until or now + max(_LEAST_GRACE_SECONDS, (now - self._began) / 2)
                if now >= grace_until:
                    break
            elif self._tally.is_hopeless:
                break
            self._take_answer()
            self._give_up_the_silent()
            self._ask_next()
        if not self._tally.is_acknowledged:
            raise self._failure()
        return Outcome(self._stored, self._tally.needs_repair)

    def _counted(self) -> list[str]:
        return [node_id for node_id in self._stored if node_id in self._placing.zones]

    def _leave_out_the_dead(self) -> None:
        """Unless too few would be left: then it is better to ask those as well that seem to be down."""
        dead = self._placing.down - self._stored.keys()
        if len(self._placing.order) - len(dead) >= self._placing.rules.write_quorum:
            for node_id in dead:
                self._tally = self._tally.failed(node_id, retryable=False)

    def _ask_next(self) -> None:
        targets, self._tally = self._tally.to_ask, self._tally.asked()
        for node_id in targets:
            sending = Sending(node_id, self._fan_out.clock.monotonic(), self._fan_out.clock)
            self._under_way.add(sending)
            self._fan_out.submit(self._placing.nodes[node_id], self._send, sending, self._answers)

    def _take_answer(self) -> None:
        try:
            sending, answer = self._answers.get(timeout=_STEP_SECONDS)
        except queue.Empty:
            return
        self._under_way.discard(sending)
        if not isinstance(answer, HoldfastError):
            self._stored[sending.node_id] = answer
            self._tally = self._tally.stored(sending.node_id)
            return
        if isinstance(answer, InputError):
            raise answer
        self._errors.append(answer)
        if not sending.is_given_up:
            may_pass = not isinstance(answer, StorageFullError | ReadOnlyError)
            self._tally = self._tally.failed(sending.node_id, retryable=may_pass)

    def _give_up_the_silent(self) -> None:
        for sending in self._under_way:
            if not sending.is_given_up and sending.is_silent():
                sending.is_given_up = True
                self._tally = self._tally.failed(sending.node_id, retryable=False)

    def _failure(self) -> UnavailableError:
        copies, needed = len(self._counted()), self._placing.rules.write_quorum
        detail = {"copies": copies, "needed": needed}
        full = next((error for error in self._errors if isinstance(error, StorageFullError)), None)
        if full is not None:
            return StorageFullError(full.message, detail)
        reasons = "; ".join(dict.fromkeys(error.message for error in self._errors)) or "no other storage node is alive"
        return NodeUnreachableError(
            f"only {copies} of the {needed} copies that are needed could be stored: {reasons}", detail
        )
