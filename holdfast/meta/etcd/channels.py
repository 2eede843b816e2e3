"""Connections to the members of an etcd, and which of them to ask.

Promises: nothing is connected before the first call, which must come after the last fork; the member that answered last is asked
first, one that failed is asked last; nobody is benched, because another member may know less. What only a leader can answer
and what any member can are two orders: without a quorum the one member that lives fails at the former, and must stay first for
the latter.
Never here: what is asked, and what an answer means.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Final

import grpc
from pyetcd import etcdrpc

from holdfast.errors import MetadataUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.meta.etcd.options import Endpoint, EtcdOptions, Tls

# etcd ends connections whose pings come more often than every 5 seconds. A stopped member keeps its connections open: only
# unanswered pings tell a watch that it is deaf.
_KEEPALIVE_MILLIS: Final = 6_000
_KEEPALIVE_TIMEOUT_MILLIS: Final = 3_000

_CHANNEL: Final = [
    ("grpc.max_receive_message_length", -1),  # a page of ranges is bounded by its limit; etcd cuts nothing
    ("grpc.max_send_message_length", -1),  # check_txn has bounded it
    ("grpc.keepalive_time_ms", _KEEPALIVE_MILLIS),
    ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MILLIS),
    # The time that counts in gRPC of today: a minute by default, whatever the one above says.
    ("grpc.http2.ping_timeout_ms", _KEEPALIVE_TIMEOUT_MILLIS),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.bdp_probe", 0),
    # A member that was restarted is back within a second; gRPC's own back-off would shut it out for up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Settings come as arguments, not from the environment.
    ("grpc.enable_http_proxy", 0),
    # Retrying is decided in calls.py, where it is known what may happen twice.
    ("grpc.enable_retries", 0),
    # Stores of one process do not share connections, so that closing one leaves nothing behind.
    ("grpc.use_local_subchannel_pool", 1),
]


class Member:
    """A channel and its stubs. Made after the last fork only."""

    def __init__(self, endpoint: Endpoint, tls: Tls | None) -> None:
        self.endpoint = endpoint
        self._channel = _open(endpoint, tls)
        self.kv: Any = etcdrpc.KVStub(self._channel)
        self.watch: Any = etcdrpc.WatchStub(self._channel)
        self.lease: Any = etcdrpc.LeaseStub(self._channel)
        self.auth: Any = etcdrpc.AuthStub(self._channel)
        self.cluster: Any = etcdrpc.ClusterStub(self._channel)
        self.maintenance: Any = etcdrpc.MaintenanceStub(self._channel)

    def close(self) -> None:
        self._channel.close()


class Members:
    """All of them, in the order in which to ask. ``leader``: for what wants one."""

    def __init__(self, options: EtcdOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._orders: dict[bool, list[Member]] = {True: [], False: []}
        self._process = 0
        self._closed = threading.Event()

    def all(self, *, leader: bool = True) -> list[Member]:
        """The one to ask first, then the others.

        Raises:
            MetadataUnavailableError: closed, or connected before a fork.
        """
        with self._lock:
            if self._closed.is_set():
                raise MetadataUnavailableError("the metadata store has been closed")
            if not self._orders[leader]:
                self.connected([Member(endpoint, self._options.tls) for endpoint in self._options.endpoints])
            if self._process != os.getpid():
                raise MetadataUnavailableError("etcd was connected before the fork: open it in the child only")
            return list(self._orders[leader])

    def connected(self, members: list[Member]) -> None:
        """These are the members, for this process."""
        self._process = os.getpid()
        self._orders = {True: list(members), False: list(members)}

    def rounds(self, *, leader: bool) -> Iterator[Member]:
        """Without end: the one to ask first, the others, and over again."""
        while True:
            yield from self.all(leader=leader)

    def at(self, endpoint: Endpoint) -> Member:
        """Raises ValueError: none of ours."""
        for member in self.all():
            if member.endpoint == endpoint:
                return member
        raise ValueError(f"{endpoint} is not among the configured endpoints")

    def failed(self, member: Member, *, leader: bool) -> None:
        """Ask it last."""
        with self._lock:
            order = self._orders[leader]
            if order and order[0] is member:
                order.append(order.pop(0))

    def pause(self, seconds: float) -> None:
        """Wait, or until closed."""
        self._closed.wait(seconds)

    def close(self) -> None:
        with self._lock:
            self._closed.set()
            members, self._orders = self._orders[True], {True: [], False: []}
            ours = self._process == os.getpid()
        for member in members if ours else ():
            member.close()


def _open(endpoint: Endpoint, tls: Tls | None) -> grpc.Channel:
    if not endpoint.secure:
        return grpc.insecure_channel(endpoint.target, options=_CHANNEL)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=tls.ca if tls else None,
        private_key=tls.key if tls else None,
        certificate_chain=tls.certificate if tls else None,
    )
    return grpc.secure_channel(endpoint.target, credentials, options=_CHANNEL)
