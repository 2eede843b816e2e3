"""Watches: one stream to one member, made anew wherever it breaks.

Promises: no gap and no repetition, in revision order, over lost connections and dead members; a compacted revision is said once
and for ever; whoever polls learns when the watch has been blind for longer than a call may take.
Invariant: a new stream begins after the last revision that was handed over whole (etcd does not cut a revision in two), or that
etcd said to have passed without a change. Such notes count only where etcd sends them of itself: those that are asked for may
overtake events (etcd issue 15220).

A member that is stopped without closing its connections is noticed by unanswered pings, within ten seconds.
"""

from __future__ import annotations

import collections
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import grpc

from holdfast.errors import CompactedError, HoldfastError, MetadataUnavailableError
from holdfast.meta.etcd.failures import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.clock import Clock
    from holdfast.meta.etcd.channels import Member, Members
    from holdfast.meta.etcd.convert import Codec
    from holdfast.meta.etcd.options import EtcdOptions
    from holdfast.meta.etcd.tokens import Metadata, Tokens
    from holdfast.meta.store import Event

# Beyond this many unread events the stream is left unread, and etcd waits.
_MAX_UNREAD: Final = 10_000
_PAUSE_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Sources:
    """What a watch needs of its store."""

    options: EtcdOptions
    members: Members
    tokens: Tokens
    codec: Codec
    clock: Clock


class EtcdWatch:
    """Changes of [start, end) from a revision on. Runs a thread until it is closed."""

    def __init__(self, sources: Sources, key_range: tuple[bytes, bytes], from_revision: int) -> None:
        self._sources = sources
        self._range = key_range
        # To etcd 0 means "from now on".
        self._next = max(from_revision, 1)
        self._changed = threading.Condition()
        self._events: collections.deque[Event] = collections.deque()
        self._call: Any = None
        self._silent_since: float | None = sources.clock.monotonic()
        self._blind_since: float | None = self._silent_since
        self._trouble = "it has not answered yet"
        self._compacted = False
        self._closed = False
        threading.Thread(target=self._follow, name="etcd-watch", daemon=True).start()

    def poll(self, timeout_seconds: float) -> Sequence[Event]:
        """Raises CompactedError, MetadataUnavailableError."""
        clock = self._sources.clock
        deadline = clock.monotonic() + timeout_seconds
        with self._changed:
            while True:
                if self._closed:
                    raise MetadataUnavailableError("the watch has been closed")
                if self._events:
                    events = list(self._events)
                    self._events.clear()
                    self._changed.notify_all()
                    return events
                if self._compacted:
                    raise CompactedError(
                        "the changes asked for are compacted: read the range again and watch from there"
                    )
                left_seconds = deadline - clock.monotonic()
                if left_seconds <= 0:
                    self._complain()
                    return []
                self._give_up_on_silence()
                self._changed.wait(min(left_seconds, self._sources.options.try_seconds))

    def close(self) -> None:
        with self._changed:
            self._closed = True
            call = self._call
            self._changed.notify_all()
        if call is not None:
            call.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _complain(self) -> None:
        blind_since = self._blind_since
        blind_seconds = 0.0 if blind_since is None else self._sources.clock.monotonic() - blind_since
        if blind_seconds >= self._sources.options.deadline_seconds:
            raise MetadataUnavailableError(f"etcd does not answer a watch: {self._trouble}")

    def _give_up_on_silence(self) -> None:
        """A member that has not said yet that it watches is asked no longer."""
        if self._silent_since is None or self._call is None:
            return
        if self._sources.clock.monotonic() - self._silent_since >= self._sources.options.try_seconds:
            self._call.cancel()

    def _follow(self) -> None:
        rounds = self._sources.members.rounds(leader=True)
        while not (self._closed or self._compacted):
            try:
                member = next(rounds)
            except HoldfastError:
                self.close()
                return
            try:
                self._broke(self._stream(member))
            except grpc.RpcError as error:
                self._broke(words(error))
            except HoldfastError as error:
                self._broke(error.message)
            except ValueError:
                self._broke("its connection was closed")
            with self._changed:
                self._changed.wait_for(lambda: self._closed, _PAUSE_SECONDS)

    def _stream(self, member: Member) -> str:
        """Hand over what one stream brings, until it breaks (grpc.RpcError) or ends; why it ended."""
        ended = threading.Event()
        metadata = self._sources.tokens.metadata(member, self._sources.options.try_seconds, leader=True)
        with self._changed:
            if self._closed:
                return "it was closed"
            self._silent_since = self._sources.clock.monotonic()
            self._call = member.watch.Watch(self._request(ended), metadata=metadata)
        try:
            for response in self._call:
                if (reason := self._take(response, metadata)) is not None:
                    self._call.cancel()
                    return reason
        finally:
            ended.set()
        return "the stream has ended"

    def _request(self, ended: threading.Event) -> Iterator[Any]:
        """The one request; the stream stays open for as long as this iterator does."""
        yield self._sources.codec.watch(*self._range, self._next)
        ended.wait()

    def _take(self, response: Any, metadata: Metadata) -> str | None:
        """None: the stream goes on. Otherwise why it does not."""
        events = [self._sources.codec.event(event) for event in response.events]
        with self._changed:
            if response.canceled:
                self._compacted = response.compact_revision > 0
                self._changed.notify_all()
                self._sources.tokens.renew(metadata)  # it may have been the token; asking for one is cheap
                return response.cancel_reason or "it cancelled the watch"
            self._silent_since = self._blind_since = None
            self._changed.wait_for(lambda: self._closed or len(self._events) < _MAX_UNREAD)
            # After a note of progress etcd may send older ones (its issue 20221).
            fresh = [event for event in events if event.revision >= self._next]
            self._events.extend(fresh)
            if events:
                self._next = max(self._next, events[-1].revision + 1)
            elif not response.created and response.watch_id >= 0:
                self._next = max(self._next, response.header.revision + 1)
            self._changed.notify_all()
            return "it was closed" if self._closed else None

    def _broke(self, trouble: str) -> None:
        with self._changed:
            self._call = None
            self._trouble = trouble
            if self._blind_since is None:
                self._blind_since = self._sources.clock.monotonic()
