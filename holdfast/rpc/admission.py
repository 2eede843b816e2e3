"""Who may call what on a storage node.

Promises: with TLS, a call reaches its behaviour only if the caller's certificate (which gRPC has verified by then) names one
process of the node's own cluster in a role that the method takes. Everybody else gets PeerRefusedError. A call that was meant
for another node, which had this address before or has a wrong one among the members, does not reach it either: two copies
that were sent to two nodes would be one.

Invariant: without TLS there are no certificates, and whoever reaches the socket is taken. The socket's mode, loopback and
``require_protection`` decide who that is.

Never: believes anything that the caller says besides its certificate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import grpc

from holdfast.certs.facts import peer_of
from holdfast.errors import NodeUnreachableError, PeerRefusedError
from holdfast.rpc import methods as m

if TYPE_CHECKING:
    from holdfast.certs.peer import Peer

Admission = Callable[[m.Method, grpc.ServicerContext], None]

# gRPC's name for the URIs among a certificate's alternative names; no constant of the Python package has it.
_URIS: Final = "peer_uri"


def admit_anybody(_method: m.Method, _context: grpc.ServicerContext) -> None:
    """For plaintext."""


def admit_meant_for(node_id: str, admission: Admission) -> Admission:
    """Callers that name this node or none, of those that ``admission`` lets pass."""

    def admit(method: m.Method, context: grpc.ServicerContext) -> None:
        admission(method, context)
        target = named_in(context, m.TARGET_KEY)
        if target is not None and target != node_id:
            raise NodeUnreachableError(
                "another storage node lives at this address; give each one an address of its own in cluster.node.advertise",
                {"wanted": target, "found": node_id},
            )

    return admit


def named_in(context: grpc.ServicerContext, key: str) -> str | None:
    """The node that the call names under this key."""
    return next(
        (value for name, value in context.invocation_metadata() if name == key and isinstance(value, str)), None
    )


def admit_cluster(cluster: str) -> Admission:
    """For TLS: processes of this cluster, each in its role."""

    def admit(method: m.Method, context: grpc.ServicerContext) -> None:
        peer = peer_in(context)
        if peer is None:
            raise PeerRefusedError(
                "the certificate of the calling process names no process of a cluster; issue one by `holdfast certs issue`"
            )
        if peer.cluster != cluster:
            raise PeerRefusedError(f"{peer} has no business in cluster {cluster}; name its own cluster's certificate")
        if peer.role not in method.roles:
            allowed = ", ".join(sorted(method.roles))
            raise PeerRefusedError(f"{peer} may not call {method.name}; that is for the roles {allowed}")

    return admit


def peer_in(context: grpc.ServicerContext) -> Peer | None:
    """The process at the other end, by its verified certificate; None without one, or when it names no process."""
    uris: object = context.auth_context().get(_URIS, ())
    if not isinstance(uris, list | tuple):
        return None
    return peer_of(uri.decode("ascii", "replace") for uri in uris)
