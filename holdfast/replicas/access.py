"""Access to a cluster from its configuration: the metadata and the nodes. For gateways, storage nodes and the ops commands."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from holdfast.errors import ConfigError
from holdfast.meta.etcd import EtcdStore, configured
from holdfast.meta.layouts import LayoutBook
from holdfast.meta.members import Members
from holdfast.replicas.cluster import ClusterDirectory
from holdfast.rpc.client import Deadlines, GrpcNode
from holdfast.rpc.credentials import Credentials, configured_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from holdfast.config.cluster import Cluster
    from holdfast.rpc.node import NodeClient

# There are other copies, so nobody waits for one node as long as a registry of one machine does for its only one. A node that hangs
# is counted on until its lease runs out: until then each first call to it costs its deadline, and a push makes two, one after the
# other. A node that is merely slow and misses one is asked again a second later.
DEADLINES: Final = Deadlines(
    control_seconds=2.0, put_seconds=10.0, first_byte_seconds=3.0, next_byte_seconds=10.0, push_seconds=10.0
)


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """Made, but nothing is connected yet: that is for after the last fork."""

    metadata: EtcdStore
    members: Members
    book: LayoutBook
    directory: ClusterDirectory

    def close(self) -> None:
        self.directory.stop()
        self.metadata.close()


def access(cluster: Cluster, clock: Clock, host_id: str) -> ClusterAccess:
    """``host_id``: this machine's, for the short circuits; "" for none.

    Raises:
        ConfigError: ``cluster.etcd`` is missing, or a file cannot be read.
    """
    metadata = open_metadata(cluster, clock)
    members = Members(metadata, new_id, clock)
    book = LayoutBook(metadata, new_id, clock)
    turn = secrets.randbelow(1 << 16)
    directory = ClusterDirectory(metadata, book, members, connector(cluster, host_id), clock, host_id, first_turn=turn)
    return ClusterAccess(metadata, members, book, directory)


def open_metadata(cluster: Cluster, clock: Clock, *, patience_seconds: float | None = None) -> EtcdStore:
    """``patience_seconds``: for an etcd that does not answer, where that is to be less than ``cluster.etcd.requestTimeout``.

    Raises:
        ConfigError.
    """
    if cluster.etcd is None:
        raise ConfigError("this command is for a cluster, and the configuration has no cluster.etcd")
    options = configured(cluster.etcd)
    if patience_seconds is not None:
        options = replace(options, deadline_seconds=min(options.deadline_seconds, patience_seconds))
    return EtcdStore(options, clock)


def connector(cluster: Cluster, host_id: str, sender: str | None = None) -> Callable[[str, str], NodeClient]:
    """Makes clients of nodes, by id and address. ``sender``: the node that this process is, if it is one.

    Raises:
        ConfigError: a certificate is of no use.
    """
    files = configured_files(cluster)
    credentials = Credentials(files) if files else None

    def connect(node_id: str, address: str) -> NodeClient:
        return GrpcNode(
            address,
            host_id=host_id,
            node_id=node_id,
            deadlines=DEADLINES,
            credentials=credentials,
            insecure=cluster.insecure,
            sender=sender,
        )

    return connect


def new_id() -> bytes:
    """For operations: 16 bytes that nobody else makes."""
    return secrets.token_bytes(16)
