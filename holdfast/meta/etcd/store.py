"""EtcdStore: the port of ``holdfast.meta.store`` over etcd 3.4 or newer, for many processes on many machines.

Promises beyond the port's
  * No call lasts longer than ``deadline_seconds`` and a try; a dead leader is ridden out within it.
  * A change whose answer was lost is tried again only if it cannot happen twice: it compares a key at a revision that is not 0, and
    puts or deletes that same key. Once done, the compare never holds again, also for a try that arrives late. If the second try
    finds the compare broken, nobody can tell here whose work that was: OutcomeUnknownError, and ``holdfast.meta.commit`` looks.
  * Any other change whose answer was lost is not repeated. OutcomeUnknownError is raised once etcd answers again, so that asking
    again is not in vain.
  * Under a lease that is gone nothing happens; what ``read_on_failure`` asks for is then read right after.

Leases are etcd's: a key goes up to about a second after its lease ran out, and later while there is no leader. Nobody may conclude
anything from a key that is still there; holders go by their own deadline.
"""

from __future__ import annotations

import contextlib
import math
import weakref
from typing import TYPE_CHECKING, Any, Final

from pyetcd import etcdrpc

from holdfast.errors import MetadataFullError, MetadataUnavailableError, OutcomeUnknownError
from holdfast.meta.etcd.calls import Answer, Calls
from holdfast.meta.etcd.channels import Member, Members
from holdfast.meta.etcd.convert import Codec
from holdfast.meta.etcd.failures import LeaseGoneError
from holdfast.meta.etcd.operate import Operator
from holdfast.meta.etcd.quorum import Quorum
from holdfast.meta.etcd.quota import QuotaGuard
from holdfast.meta.etcd.reads import Reads
from holdfast.meta.etcd.stale import StaleReads
from holdfast.meta.etcd.tokens import Tokens
from holdfast.meta.etcd.watching import EtcdWatch, Sources
from holdfast.meta.keeping.frozen import Frozen
from holdfast.meta.keys import EVERYTHING
from holdfast.meta.store import KeyAt, Lease, Put, TxnResult, check_txn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from holdfast.clock import Clock
    from holdfast.meta.etcd.operate import EtcdStatus
    from holdfast.meta.etcd.options import Endpoint, EtcdOptions
    from holdfast.meta.store import Compare, Entry, Op, RangePage, Snapshot

# Pages hold whole values, and the longest manifest record has several hundred kilobytes.
_FROZEN_PAGE: Final = 100


class EtcdStore:
    """Nothing is connected before the first call, which must come after the last fork."""

    def __init__(self, options: EtcdOptions, clock: Clock) -> None:
        self._members = Members(options)
        tokens = Tokens(options.login)
        self._quorum = Quorum(clock)
        self._calls = Calls(options, self._members, tokens, self._quorum, clock)
        self._codec = Codec(options.prefix)
        self._reads = Reads(self._calls, self._codec, serializable=False)
        self._quota = QuotaGuard(options, self._calls, clock)
        self._sources = Sources(options, self._members, tokens, self._codec, clock)
        self._operator = Operator(options, self._members, tokens, self._calls, self._codec)
        self._watches: weakref.WeakSet[EtcdWatch] = weakref.WeakSet()

    def get(self, key: bytes) -> Entry | None:
        return self._reads.get(key)

    def get_many(self, keys: Sequence[bytes]) -> Snapshot:
        return self._reads.get_many(keys)

    def range(self, start: bytes, end: bytes, limit: int, *, keys_only: bool = False) -> RangePage:
        return self._reads.range(start, end, limit, keys_only=keys_only)

    def stale(self, stale_read_seconds: float, on_stale: Callable[[float], None]) -> StaleReads:
        """A view for reading that outlives a lost quorum; see ``stale.py``."""
        serializable = Reads(self._calls, self._codec, serializable=True)
        return StaleReads(self._reads, serializable, self._quorum, stale_read_seconds, on_stale)

    def txn(self, compares: Sequence[Compare], ops: Sequence[Op], read_on_failure: Sequence[bytes] = ()) -> TxnResult:
        check_txn(compares, ops, read_on_failure)
        request = self._codec.txn(compares, ops, read_on_failure)
        if not ops:
            return self._result(self._calls.read(lambda member, **how: member.kv.Txn(request, **how)))
        self._quota.check(compares, ops)
        try:
            answer = self._change(request, repeatable=_cannot_happen_twice(compares, ops))
        except LeaseGoneError:
            found = self._reads.get_many(read_on_failure)
            return TxnResult(succeeded=False, revision=found.revision, found=found.entries)
        except MetadataFullError as cause:
            self._refuse_if_done(ops, cause)
            raise
        result = self._result(answer.response)
        if answer.repeated and not result.succeeded:
            raise OutcomeUnknownError(
                "an answer of etcd was lost, and the compares no longer hold: it may be our own doing"
            )
        return result

    def watch(self, start: bytes, end: bytes, from_revision: int) -> EtcdWatch:
        """Raises ValueError: an empty range."""
        if start >= end:
            raise ValueError("a watch of an empty range would never end")
        watch = EtcdWatch(self._sources, (start, end), from_revision)
        self._watches.add(watch)
        return watch

    def grant_lease(self, ttl_seconds: float) -> Lease:
        """A lease of whole seconds, as etcd counts them, and no less than about two election times.

        A lost answer leaves a lease behind that nobody renews.
        """
        if ttl_seconds <= 0:
            raise ValueError(f"a lease lives for more than {ttl_seconds} seconds")
        request = etcdrpc.LeaseGrantRequest(TTL=math.ceil(ttl_seconds))
        response = self._calls.insist(lambda member, **how: member.lease.LeaseGrant(request, **how))
        return Lease(response.ID, float(response.TTL))

    def keep_alive(self, lease_id: int) -> float:
        request = etcdrpc.LeaseKeepAliveRequest(ID=lease_id)

        def call(member: Member, /, *, timeout: float, metadata: Any) -> Any:
            stream = member.lease.LeaseKeepAlive(iter((request,)), timeout=timeout, metadata=metadata)
            # One question, one answer; a stream that ends without it has failed with its status, or says nothing of a life.
            return next(stream, None)

        try:
            response = self._calls.insist(call)
        except LeaseGoneError:
            return 0.0
        if response is None:
            raise MetadataUnavailableError("etcd ended a keep-alive without an answer")
        return float(max(response.TTL, 0))

    def revoke_lease(self, lease_id: int) -> None:
        request = etcdrpc.LeaseRevokeRequest(ID=lease_id)
        try:
            self._calls.insist(lambda member, **how: member.lease.LeaseRevoke(request, **how))
        except LeaseGoneError:
            return

    @contextlib.contextmanager
    def frozen(self) -> Iterator[Frozen]:
        """Everything as of one revision, in pages. They raise CompactedError when etcd forgets it meanwhile."""
        revision = self._reads.range(*EVERYTHING, 1, keys_only=True).revision
        yield Frozen(revision, self._as_of(revision))

    def _as_of(self, revision: int) -> Iterator[Entry]:
        start, end = EVERYTHING
        while True:
            page = self._reads.range(start, end, _FROZEN_PAGE, revision=revision)
            yield from page.entries
            if not page.more:
                return
            start = page.entries[-1].key + b"\0"

    def close(self) -> None:
        """Afterwards every call raises MetadataUnavailableError; those that wait end at once."""
        for watch in list(self._watches):
            watch.close()
        self._members.close()

    def status(self) -> EtcdStatus:
        """Members, leader, sizes, alarms. For people and monitors; raises nothing for members that do not answer."""
        return self._operator.status()

    def compact(self, keep_revisions: int) -> int:
        """Forget older changes; the first revision that is kept. Watches that are further behind get CompactedError."""
        return self._operator.compact(keep_revisions)

    def defragment(self, endpoint: Endpoint) -> None:
        """Give one member's freed space back. It answers nobody meanwhile: one member after the other, the leader last."""
        self._operator.defragment(endpoint)

    def lift_space_alarm(self) -> None:
        """Let etcd take puts again, after compacting and defragmenting."""
        self._operator.lift_space_alarm()

    def _change(self, request: Any, *, repeatable: bool) -> Answer:
        deadline = self._calls.deadline()
        try:
            return self._calls.change(
                lambda member, **how: member.kv.Txn(request, **how), deadline, repeatable=repeatable
            )
        except OutcomeUnknownError:
            self._await_answers(deadline)
            raise

    def _await_answers(self, deadline: float) -> None:
        try:
            self._calls.read(lambda member, **how: member.kv.Txn(self._codec.reads([]), **how), deadline)
        except MetadataUnavailableError:
            return

    def _refuse_if_done(self, ops: Sequence[Op], cause: MetadataFullError) -> None:
        """Say "unknown" if it stands: etcd carries out the very transaction that crosses the quota, and refuses it nevertheless."""
        puts = {op.key: op.value for op in ops if isinstance(op, Put)}
        try:
            found = self._reads.get_many(list(puts)).entries
        except MetadataUnavailableError:
            raise OutcomeUnknownError(cause.message) from cause
        if any(entry.value == puts[key] for key, entry in found.items()):
            raise OutcomeUnknownError("etcd ran out of space: the change stands, or stood before") from cause

    def _result(self, response: Any) -> TxnResult:
        found = {} if response.succeeded else self._codec.entries(response.responses)
        return TxnResult(succeeded=response.succeeded, revision=response.header.revision, found=found)


def _cannot_happen_twice(compares: Sequence[Compare], ops: Sequence[Op]) -> bool:
    changed = {op.key for op in ops}
    return any(isinstance(compare, KeyAt) and compare.mod_revision and compare.key in changed for compare in compares)
