"""One replicated write: to all owners at once, to the next handoff for each that fails, until enough copies are durable.

``Tally`` (holdfast.placement.quorum) decides who is asked and what has been reached; here the asking is done, in threads of
a bounded pool, of which no node takes more than its part: what waits for a node that hangs waits alone. What ends a write:

  * every owner has answered;
  * enough copies are durable, and the rest has had a moment more (half as long again as it took so far, and only while something is
    heard of it): what is on its way goes on behind the answer, and the outcome says that the partition needs repair;
  * it has become hopeless: UnavailableError.

An owner from which nothing is heard for a while counts as failed, and its handoff is asked; if it answers after all, so much
the better.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.errors import (
    HoldfastError,
    InputError,
    MissingError,
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

    Send: TypeAlias = Callable[[NodeClient, "Sending"], StoredBlob]

_LOG: Final = logging.getLogger("holdfast.cluster")

# How often silence is looked for.
_STEP_SECONDS: Final = 0.1
# Until a node is given up: it takes no thread for this copy, it says nothing at all, it stops taking bytes, it fsyncs the whole.
# None of these says that the node is dead; another one is asked as well, and whoever has a copy first counts.
_QUEUE_SECONDS: Final = 4.0
_FIRST_SILENCE_SECONDS: Final = 2.5
_SILENCE_SECONDS: Final = 4.0
_LAST_SILENCE_SECONDS: Final = 30.0
# Once enough copies are durable, every node has so long to be heard of, and then at most this share of those patiences.
_LEAST_GRACE_SECONDS: Final = 0.5
_GRACE_SHARE: Final = 1 / 4
# Copies that are under way to one node at a time. The pools have 64 threads: two nodes that hang leave a quarter of them.
_MOST_PER_NODE: Final = 24


@dataclass(eq=False, slots=True)
class Sending:
    """One copy on its way. The sender calls ``moved`` for each piece and ``all_sent`` after the last."""

    node: NodeClient
    node_id: str
    send: Send
    answers: queue.SimpleQueue[tuple[Sending, StoredBlob | HoldfastError]]
    clock: Clock
    heard_seconds: float
    patience_seconds: float = _QUEUE_SECONDS
    has_begun: bool = False
    is_given_up: bool = False

    def begin(self) -> None:
        """It has a thread now; the time before does not count against the node."""
        self.has_begun = True
        self._heard(_FIRST_SILENCE_SECONDS)

    def moved(self) -> None:
        self._heard(_SILENCE_SECONDS)

    def all_sent(self) -> None:
        self._heard(_LAST_SILENCE_SECONDS)

    def _heard(self, patience_seconds: float) -> None:
        self.heard_seconds = self.clock.monotonic()
        self.patience_seconds = patience_seconds

    def is_silent(self) -> bool:
        return self.clock.monotonic() - self.heard_seconds > self.patience_seconds

    def has_news_since(self, seconds: float) -> bool:
        """Or may have yet: the node is given a share of its patience from then on, or from when it was heard of last."""
        silent_seconds = self.clock.monotonic() - max(seconds, self.heard_seconds)
        return not self.is_given_up and silent_seconds <= max(
            self.patience_seconds * _GRACE_SHARE, _LEAST_GRACE_SECONDS
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """Enough copies are durable. ``stored``: by node id, what those said that have answered; ``is_short``: an owner lacks
    its copy, or there is none in its place.
    """

    stored: dict[str, StoredBlob]
    is_short: bool


@dataclass(slots=True)
class _Way:
    """The copies to one node: how many have a thread, and those that wait for one."""

    busy: int = 0
    waiting: deque[Sending] = field(default_factory=deque)


class FanOut:
    """Made once, used for every write."""

    def __init__(
        self, directory: NodeDirectory, pool: Executor, clock: Clock, *, most_per_node: int = _MOST_PER_NODE
    ) -> None:
        self._directory = directory
        self._pool = pool
        self.clock = clock
        self._most_per_node = most_per_node
        self._lock = threading.Lock()
        self._ways: dict[str, _Way] = {}

    def run(self, placing: Placing, send: Send, held: dict[str, StoredBlob] | None = None) -> Outcome:
        """Write copies with ``send``. ``held``: who has one already.

        Raises:
            UnavailableError: fewer than the write quorum are durable. MissingError: all who were asked say so.
            InputError: the bytes are not what they should be; two nodes say so, or the only one asked, and none has stored them.
        """
        # A node that was removed in the meantime holds a copy that does not count.
        known = {name: stored for name, stored in (held or {}).items() if name in placing.zones}
        return _Write(self, placing, send, known).run()

    def submit(self, sending: Sending) -> None:
        """In a thread of the pool, as soon as the node has fewer than its part of them."""
        with self._lock:
            way = self._ways.setdefault(sending.node_id, _Way())
            if way.busy >= self._most_per_node:
                way.waiting.append(sending)
                return
            way.busy += 1
        self._pool.submit(self._work, way, sending)

    def _work(self, way: _Way, sending: Sending) -> None:
        try:
            self._carry_out(sending)
        finally:
            with self._lock:
                following = way.waiting.popleft() if way.waiting else None
                if following is None:
                    way.busy -= 1
            if following is not None:
                self._pool.submit(self._work, way, following)

    def _carry_out(self, sending: Sending) -> None:
        if sending.is_given_up:  # while it waited for a thread: others have done it, or have failed
            sending.answers.put((sending, UnavailableError("the storage node is busy with other copies")))
            return
        sending.begin()
        try:
            stored = sending.send(sending.node, sending)
        except HoldfastError as error:
            if isinstance(error, NodeUnreachableError):
                self._directory.failed(sending.node)
            sending.answers.put((sending, error))
        except BaseException as error:
            _LOG.exception("a copy failed in a way nobody thought of")
            sending.answers.put((sending, UnavailableError(f"a copy failed unexpectedly: {type(error).__name__}")))
            raise
        else:
            self._directory.answered(sending.node, None)
            sending.answers.put((sending, stored))


class _Write:
    """The state of one call of ``FanOut.run``."""

    def __init__(self, fan_out: FanOut, placing: Placing, send: Send, held: dict[str, StoredBlob]) -> None:
        self._fan_out = fan_out
        self._placing = placing
        self._send = send
        self._stored = dict(held)
        self._tally = Tally.begin(placing.rules, placing.owners, placing.order, placing.zones, placing.vacant)
        self._answers: queue.SimpleQueue[tuple[Sending, StoredBlob | HoldfastError]] = queue.SimpleQueue()
        self._under_way: set[Sending] = set()
        self._errors: list[HoldfastError] = []
        self._began = fan_out.clock.monotonic()
        self._enough_since: float | None = None

    def run(self) -> Outcome:
        for node_id in self._stored:
            self._tally = self._tally.stored(node_id)
        self._leave_out_the_dead()
        self._ask_next()
        while self._under_way and not self._is_over():
            self._take_answer()
            self._give_up_the_silent()
            self._ask_next()
        for sending in self._under_way:
            sending.is_given_up = True  # what has not begun need not begin
        if not self._tally.is_acknowledged:
            raise self._failure()
        return Outcome(self._stored, self._tally.needs_repair)

    def _is_over(self) -> bool:
        if not self._tally.is_acknowledged:
            # Nobody else can be asked; those that were given up are slow perhaps, and their calls have deadlines.
            late = sum(sending.has_begun for sending in self._under_way)
            return self._tally.is_hopeless and len(self._stored) + late < self._placing.rules.write_quorum
        now = self._fan_out.clock.monotonic()
        if self._enough_since is None:
            self._enough_since = now
        since = self._enough_since
        if now >= since + max(_LEAST_GRACE_SECONDS, (since - self._began) / 2):
            return True
        return not any(sending.has_news_since(since) for sending in self._under_way)

    def _leave_out_the_dead(self) -> None:
        """Unless too few would be left: then it is better to ask those as well that seem to be down."""
        dead = self._placing.down - self._stored.keys()
        if len(self._placing.order) - len(dead) >= self._placing.rules.write_quorum:
            for node_id in dead:
                self._tally = self._tally.failed(node_id, retryable=False)

    def _ask_next(self) -> None:
        targets, self._tally = self._tally.to_ask, self._tally.asked()
        for node_id in targets:
            node, clock = self._placing.nodes[node_id], self._fan_out.clock
            sending = Sending(node, node_id, self._send, self._answers, clock, clock.monotonic())
            self._under_way.add(sending)
            self._fan_out.submit(sending)

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
        self._errors.append(answer)
        if isinstance(answer, InputError):
            self._refused(answer)
        if not sending.is_given_up:
            may_pass = not isinstance(answer, StorageFullError | ReadOnlyError | InputError)
            self._tally = self._tally.failed(sending.node_id, retryable=may_pass)

    def _refused(self, answer: InputError) -> None:
        """One node that finds the bytes wrong may be wrong itself: a second opinion counts, and a copy that another one made."""
        refusals = sum(isinstance(error, InputError) for error in self._errors)
        if not self._stored and (refusals > 1 or not self._under_way):
            raise answer

    def _give_up_the_silent(self) -> None:
        for sending in self._under_way:
            if not sending.is_given_up and sending.is_silent():
                sending.is_given_up = True
                self._tally = self._tally.failed(sending.node_id, retryable=False)

    def _failure(self) -> HoldfastError:
        if self._errors and all(isinstance(error, MissingError) for error in self._errors):
            return self._errors[0]
        copies, needed = len(self._stored), self._placing.rules.write_quorum
        detail = {"copies": copies, "needed": needed}
        full = next((error for error in self._errors if isinstance(error, StorageFullError)), None)
        if full is not None:
            return StorageFullError(full.message, detail)
        reasons = "; ".join(dict.fromkeys(error.message for error in self._errors)) or "no other storage node is alive"
        return NodeUnreachableError(
            f"only {copies} of the {needed} copies that are needed could be stored: {reasons}", detail
        )
