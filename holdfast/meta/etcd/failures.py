"""What a failed call to etcd means: gRPC statuses to verdicts, as one table, and verdicts to our errors.

The question that matters is whether a change may have happened. etcd answers it by its texts (its ``rpctypes``), because one gRPC
code stands for both: "no leader" is said before a request is proposed, "request timed out" after. Whatever is not in the table
counts as unclear; a text that etcd words anew costs a retry, never a wrong "it did not happen".
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

import grpc

from holdfast.errors import HoldfastError, MetadataFullError, MetadataUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping


class LeaseGoneError(MetadataUnavailableError):
    """Nothing was changed, because the lease named in it has ended. Stays inside the adapter."""


class Verdict(enum.Enum):
    """What to do next."""

    NOT_DONE = "certainly not done: ask another member"
    UNCLEAR = "may have been done"
    TOKEN = "certainly not done: log in again"  # noqa: S105 - a sentence
    REFUSED = "certainly not done, and asking again will not help"
    FULL = "refused for want of space, or done just before the space ran out"
    NO_LEASE = "certainly not done: there is no such lease"
    COMPACTED = "the revision is gone"


_BY_TEXT: Final[Mapping[str, Verdict]] = {
    # Said before anything is proposed: by the interceptor of "hasleader", by the queue, by raft itself.
    "etcdserver: no leader": Verdict.NOT_DONE,
    "etcdserver: too many requests": Verdict.NOT_DONE,
    "raft: proposal dropped": Verdict.NOT_DONE,
    "etcdserver: invalid auth token": Verdict.TOKEN,
    "etcdserver: revision of auth store is old": Verdict.TOKEN,
    "etcdserver: mvcc: database space exceeded": Verdict.FULL,
    "etcdserver: requested lease not found": Verdict.NO_LEASE,
    "etcdserver: mvcc: required revision has been compacted": Verdict.COMPACTED,
}
# Given only to what was checked and turned away.
_BY_CODE: Final[Mapping[grpc.StatusCode, Verdict]] = {
    grpc.StatusCode.INVALID_ARGUMENT: Verdict.REFUSED,
    grpc.StatusCode.PERMISSION_DENIED: Verdict.REFUSED,
    grpc.StatusCode.FAILED_PRECONDITION: Verdict.REFUSED,
    grpc.StatusCode.UNIMPLEMENTED: Verdict.REFUSED,
}
# gRPC's own words for a call that had no connection to be sent on.
_NEVER_SENT: Final = "failed to connect to all addresses"


def judge(error: grpc.RpcError) -> Verdict:
    """The verdict on a call that failed."""
    text = error.details() or ""
    if text in _BY_TEXT:
        return _BY_TEXT[text]
    if error.code() is grpc.StatusCode.UNAVAILABLE and text.startswith(_NEVER_SENT):
        return Verdict.NOT_DONE
    return _BY_CODE.get(error.code(), Verdict.UNCLEAR)


def refused(error: grpc.RpcError) -> HoldfastError:
    """What leaves the adapter when nothing was done and asking again is of no use."""
    if judge(error) is Verdict.FULL:
        return MetadataFullError("etcd is at its space quota: compact and defragment it, or raise the quota")
    return MetadataUnavailableError(f"etcd refuses: {words(error)}")


def words(error: grpc.RpcError) -> str:
    """One line for people; never a key, a value or a token."""
    return f"{error.details() or 'no reason given'} ({error.code().name.lower()})"
