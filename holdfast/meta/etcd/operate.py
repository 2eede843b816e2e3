"""What an operator asks of an etcd: how its members are, compaction, defragmentation, lifting the space alarm.

Never here: anything on the way of a request. Each member is asked by itself and answers for itself.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf.unknown_fields import UnknownFieldSet
from pyetcd import etcdrpc

from holdfast.errors import CompactedError, MetadataUnavailableError
from holdfast.meta.etcd.failures import words

if TYPE_CHECKING:
    from holdfast.meta.etcd.calls import Calls
    from holdfast.meta.etcd.channels import Member, Members
    from holdfast.meta.etcd.convert import Codec
    from holdfast.meta.etcd.options import Endpoint, EtcdOptions
    from holdfast.meta.etcd.tokens import Tokens

# A member does nothing else while it defragments: about 10 seconds a GiB on a slow disk.
_LONG_SECONDS: Final = 600.0
_ALARMS: Final = {1: "NOSPACE", 2: "CORRUPT"}
# Fields of StatusResponse that the library's messages do not know yet.
_IN_USE_BYTES_FIELD: Final = 9


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """One member. ``trouble`` None: it answered; otherwise the numbers are 0. ``size_bytes`` is what the quota counts."""

    endpoint: Endpoint
    trouble: str | None
    member_id: int = 0
    version: str = ""
    is_leader: bool = False
    size_bytes: int = 0
    in_use_bytes: int = 0
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Alarm:
    """``kind``: NOSPACE, CORRUPT, or a number that is unknown here."""

    member_id: int
    kind: str


@dataclass(frozen=True, slots=True)
class EtcdStatus:
    """``leader_id`` 0: nobody names one. ``quota_bytes`` as configured here; etcd does not tell."""

    members: tuple[MemberStatus, ...]
    leader_id: int
    has_quorum: bool
    alarms: tuple[Alarm, ...]
    quota_bytes: int | None

    @property
    def size_bytes(self) -> int:
        """The largest: it reaches the quota first."""
        return max((member.size_bytes for member in self.members), default=0)


class Operator:
    """The operator's calls."""

    def __init__(self, options: EtcdOptions, members: Members, tokens: Tokens, calls: Calls, codec: Codec) -> None:
        self._options = options
        self._members = members
        self._tokens = tokens
        self._calls = calls
        self._codec = codec

    def status(self) -> EtcdStatus:
        """Never raises for a member that does not answer. Raises MetadataUnavailableError: closed."""
        answers = [(member, self._ask(member)) for member in self._members.all()]
        leaders = [answer.leader for _, answer in answers if not isinstance(answer, str) and answer.leader]
        try:
            self._calls.read(lambda member, **how: member.kv.Range(self._codec.get(b"cluster/id"), **how))
        except MetadataUnavailableError:
            has_quorum = False
        else:
            has_quorum = True
        return EtcdStatus(
            members=tuple(_status(member.endpoint, answer) for member, answer in answers),
            leader_id=max(leaders, key=leaders.count, default=0),
            has_quorum=has_quorum,
            alarms=self._alarms() if has_quorum else (),
            quota_bytes=self._options.quota_bytes,
        )

    def compact(self, keep_revisions: int) -> int:
        """Forget all changes but the last ``keep_revisions``; the first revision that is kept. Freed space is reused, not returned.

        Raises:
            MetadataUnavailableError.
        """
        if keep_revisions < 0:
            raise ValueError("0 revisions or more are kept")
        response = self._calls.read(lambda member, **how: member.kv.Txn(self._codec.reads([]), **how))
        revision: int = response.header.revision - keep_revisions
        if revision <= 0:
            return 1
        request = etcdrpc.CompactionRequest(revision=revision, physical=True)

        def call(member: Member, /, *, timeout: float, metadata: Any) -> Any:
            return member.kv.Compact(request, timeout=max(timeout, _LONG_SECONDS), metadata=metadata)

        with contextlib.suppress(CompactedError):  # somebody else was faster
            self._calls.insist(call)
        return revision

    def defragment(self, endpoint: Endpoint) -> None:
        """Return the freed space of one member to the file system. It answers nobody meanwhile: one member after the other.

        Raises:
            MetadataUnavailableError. ValueError: not one of the configured endpoints.
        """
        member = self._members.at(endpoint)
        try:
            metadata = self._tokens.metadata(member, self._options.try_seconds, leader=False)
            member.maintenance.Defragment(etcdrpc.DefragmentRequest(), timeout=_LONG_SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            raise MetadataUnavailableError(f"{endpoint} was not defragmented: {words(error)}") from error

    def lift_space_alarm(self) -> None:
        """After compacting and defragmenting: etcd takes puts again. Raises MetadataUnavailableError."""
        request = etcdrpc.AlarmRequest(action=etcdrpc.AlarmRequest.DEACTIVATE, memberID=0, alarm=etcdrpc.NOSPACE)
        for alarm in self._alarms():
            if alarm.kind == "NOSPACE":
                request.memberID = alarm.member_id
                self._calls.insist(lambda member, **how: member.maintenance.Alarm(request, **how))

    def _alarms(self) -> tuple[Alarm, ...]:
        request = etcdrpc.AlarmRequest(action=etcdrpc.AlarmRequest.GET, memberID=0, alarm=etcdrpc.NONE)
        response = self._calls.insist(lambda member, **how: member.maintenance.Alarm(request, **how))
        return tuple(Alarm(alarm.memberID, _ALARMS.get(alarm.alarm, str(alarm.alarm))) for alarm in response.alarms)

    def _ask(self, member: Member) -> Any:
        """A StatusResponse, or why there is none."""
        seconds = self._options.try_seconds
        try:
            metadata = self._tokens.metadata(member, seconds, leader=False)
            return member.maintenance.Status(etcdrpc.StatusRequest(), timeout=seconds, metadata=metadata)
        except grpc.RpcError as error:
            return words(error)


def _status(endpoint: Endpoint, answer: Any) -> MemberStatus:
    if isinstance(answer, str):
        return MemberStatus(endpoint, answer)
    unknown: Any = UnknownFieldSet(answer)  # its stub does not say that it is iterable
    in_use = [field.data for field in unknown if field.field_number == _IN_USE_BYTES_FIELD]
    return MemberStatus(
        endpoint=endpoint,
        trouble=None,
        member_id=answer.header.member_id,
        version=answer.version,
        is_leader=answer.leader == answer.header.member_id,
        size_bytes=answer.dbSize,
        in_use_bytes=in_use[-1] if in_use else answer.dbSize,
        revision=answer.header.revision,
    )
