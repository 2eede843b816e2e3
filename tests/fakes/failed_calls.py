"""Failed gRPC calls as etcd and gRPC word them."""

from __future__ import annotations

import grpc


class FailedCall(grpc.RpcError):
    def __init__(self, code, details):
        super().__init__(details)
        self._code, self._details = code, details

    def code(self):
        return self._code

    def details(self):
        return self._details


NO_LEADER = FailedCall(grpc.StatusCode.UNAVAILABLE, "etcdserver: no leader")
REFUSED_CONNECTION = FailedCall(
    grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses; last error: ... Connection refused"
)
TIMED_OUT = FailedCall(grpc.StatusCode.UNAVAILABLE, "etcdserver: request timed out")
SOCKET_CLOSED = FailedCall(grpc.StatusCode.UNAVAILABLE, "Socket closed")
DEADLINE = FailedCall(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
STOPPED = FailedCall(grpc.StatusCode.UNAVAILABLE, "etcdserver: server stopped")
NEW_WORDS = FailedCall(grpc.StatusCode.UNKNOWN, "etcdserver: something of a later version")
NO_SPACE = FailedCall(grpc.StatusCode.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded")
NO_LEASE = FailedCall(grpc.StatusCode.NOT_FOUND, "etcdserver: requested lease not found")
DENIED = FailedCall(grpc.StatusCode.PERMISSION_DENIED, "etcdserver: permission denied")
BAD_TOKEN = FailedCall(grpc.StatusCode.UNAUTHENTICATED, "etcdserver: invalid auth token")
