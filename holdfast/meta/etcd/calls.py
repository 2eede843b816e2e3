"""One call to etcd: short tries with one member after the other, inside one deadline.

Promises
  * A call ends within its deadline. A dead or stopped member costs one try, a dead leader the time of an election.
  * What may have been done and must not be done twice is not tried again: OutcomeUnknownError.
  * Foreign exceptions end here.

Why tries are short: a follower hands a change on to the leader it knows; if that one is dead, the change is lost without a word,
and etcd itself answers after seven seconds only. Asking again meets either a new leader or "no leader", at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import grpc

from holdfast.errors import CompactedError, HoldfastError, MetadataUnavailableError, OutcomeUnknownError
from holdfast.meta.etcd.failures import LeaseGoneError, Verdict, judge, refused, words

if TYPE_CHECKING:
    from holdfast.clock import Clock
    from holdfast.meta.etcd.channels import Member, Members
    from holdfast.meta.etcd.options import EtcdOptions
    from holdfast.meta.etcd.quorum import Quorum
    from holdfast.meta.etcd.tokens import Metadata, Tokens

# Between two rounds through all members: an election takes a second or two.
_PAUSE_SECONDS: Final = 0.1


class Call(Protocol):
    """A question to one member, by one of its stubs. Raises grpc.RpcError."""

    def __call__(self, member: Member, /, *, timeout: float, metadata: Metadata) -> Any: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """``repeated``: an earlier try may have been carried out as well."""

    response: Any
    repeated: bool


@dataclass(frozen=True, slots=True)
class _Failure:
    verdict: Verdict
    error: grpc.RpcError


class Calls:
    """Safe for use by many threads."""

    def __init__(self, options: EtcdOptions, members: Members, tokens: Tokens, quorum: Quorum, clock: Clock) -> None:
        self._try_seconds = options.try_seconds
        self._deadline_seconds = options.deadline_seconds
        self._members = members
        self._tokens = tokens
        self._quorum = quorum
        self._clock = clock

    def deadline(self) -> float:
        """The monotonic time by which a call that begins now has ended. Known to be without a quorum: one try."""
        return self._clock.monotonic() + (self._try_seconds if self._quorum.lost else self._deadline_seconds)

    def read(self, call: Call, deadline: float | None = None) -> Any:
        """Ask for what only a majority knows. Raises MetadataUnavailableError, CompactedError."""
        asked_at = self._clock.monotonic()
        response = self._harmless(call, deadline, leader=True)
        self._quorum.confirmed(asked_at)
        return response

    def local(self, call: Call) -> Any:
        """Ask for what any member knows by itself. Raises MetadataUnavailableError."""
        # A lost quorum does not shorten this one: the first member asked may be one of the lost.
        return self._harmless(call, self._clock.monotonic() + self._deadline_seconds, leader=False)

    def insist(self, call: Call) -> Any:
        """Ask for what does no harm when it is done twice. Raises MetadataUnavailableError, LeaseGoneError."""
        return self._harmless(call, None, leader=True)

    def change(self, call: Call, deadline: float, *, repeatable: bool) -> Answer:
        """Ask for a change.

        Raises:
            OutcomeUnknownError: it may have been made.
            MetadataUnavailableError: it has not (MetadataFullError and LeaseGoneError tell why).
        """
        asked_at = self._clock.monotonic()
        answer = self._run(call, deadline, leader=True, repeatable=repeatable)
        self._quorum.confirmed(asked_at)
        return answer

    def _harmless(self, call: Call, deadline: float | None, *, leader: bool) -> Any:
        try:
            return self._run(call, deadline or self.deadline(), leader=leader, repeatable=True).response
        except OutcomeUnknownError as cause:
            raise MetadataUnavailableError(cause.message) from cause

    def _run(self, call: Call, deadline: float, *, leader: bool, repeatable: bool) -> Answer:
        unsure = False
        try:
            rounds, tries = self._members.rounds(leader=leader), 0
            while True:
                member, tries = next(rounds), tries + 1
                tried = self._try(call, member, deadline - self._clock.monotonic(), leader=leader)
                if not isinstance(tried, _Failure):
                    return Answer(tried, unsure)
                unsure = unsure or tried.verdict is Verdict.UNCLEAR
                if tried.verdict in {Verdict.NOT_DONE, Verdict.UNCLEAR}:
                    self._members.failed(member, leader=leader)
                if leader and self._clock.monotonic() >= deadline:
                    self._quorum.missed(deadline - self._deadline_seconds)
                self._judge(tried, deadline, goes_on=repeatable or not unsure)
                if tries % len(self._members.all()) == 0:
                    self._members.pause(_PAUSE_SECONDS)
        except (MetadataUnavailableError, CompactedError) as cause:
            if unsure:
                raise OutcomeUnknownError(cause.message) from cause
            raise

    def _judge(self, failure: _Failure, deadline: float, *, goes_on: bool) -> None:
        """Return when another try is in order."""
        error = failure.error
        if failure.verdict is Verdict.NO_LEASE:
            raise LeaseGoneError("etcd has no such lease") from error
        if failure.verdict is Verdict.COMPACTED:
            raise CompactedError("etcd no longer keeps this revision") from error
        if failure.verdict in {Verdict.REFUSED, Verdict.FULL}:
            raise refused(error) from error
        if not goes_on or self._clock.monotonic() >= deadline:
            raise MetadataUnavailableError(f"etcd did not answer: {words(error)}") from error

    def _try(self, call: Call, member: Member, left_seconds: float, *, leader: bool) -> Any:
        """The response, or a _Failure."""
        seconds = max(min(self._try_seconds, left_seconds), 0.001)
        try:
            metadata = self._tokens.metadata(member, seconds, leader=leader)
        except grpc.RpcError as error:
            # Whatever became of the login, what we came for was not asked.
            refusal = judge(error) is Verdict.REFUSED
            return _Failure(Verdict.REFUSED if refusal else Verdict.NOT_DONE, error)
        except ValueError as cause:
            raise self._closed(cause) from cause
        try:
            return call(member, timeout=seconds, metadata=metadata)
        except grpc.RpcError as error:
            verdict = judge(error)
            if verdict is Verdict.TOKEN:
                verdict = Verdict.NOT_DONE if self._tokens.renew(metadata) else Verdict.REFUSED
            return _Failure(verdict, error)
        except ValueError as cause:
            raise self._closed(cause) from cause

    def _closed(self, cause: ValueError) -> HoldfastError | ValueError:
        """What it means that gRPC raises a bare ValueError (the channel was closed by another thread)."""
        try:
            self._members.all()
        except MetadataUnavailableError as closed:
            return closed
        return cause
