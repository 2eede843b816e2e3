"""``cluster``: many machines, one registry.

Promises: zot's keys of its scale-out, which is something else, and ours: where the names are kept (``etcd``), how processes
trust each other (``caFile``, ``certFile``, ``keyFile``, ``insecure``), what one storage node is (``node``). One file does for
all processes of a cluster, but for ``node`` and the certificate, which differ from machine to machine.

Never: opens a file, looks at a disk.
"""

from __future__ import annotations

import posixpath
from typing import Annotated, Final

from pydantic import AfterValidator

from holdfast.config.faults import Fault
from holdfast.config.http import Tls
from holdfast.config.scalars import (
    ByteSize,
    Flag,
    HostPort,
    KeyPrefix,
    Label,
    Listed,
    Listen,
    Positive,
    PositiveTime,
    Seconds,
    Secret,
    Text,
    at_least,
)
from holdfast.config.section import Section, field
from holdfast.durations import seconds
from holdfast.errors import ConfigError

# Below this, etcd's own bookkeeping between two compactions could fill it.
LEAST_QUOTA_BYTES: Final = 64 << 20

Quota = Annotated[ByteSize, AfterValidator(at_least(LEAST_QUOTA_BYTES))]
Bandwidth = Annotated[ByteSize, AfterValidator(at_least(1))]


class Etcd(Section):
    """Where the names are: repositories, tags, links, the layout. One etcd cluster for all processes (ours)."""

    endpoints: Listed[Text] = field(
        (),
        'URLs of all etcd members, such as "http://127.0.0.1:2379"; https needs caFile unless a public authority signed.',
    )
    username: Text = field("", "User in etcd; with passwordFile.")
    password_file: Text = field("", "File whose only line is the user's password.")
    ca_file: Text = field("", "File with the authority of etcd's certificates. When empty: the system's authorities.")
    cert_file: Text = field("", "File with our certificate for etcd; with keyFile.")
    key_file: Text = field("", "File with its key; with certFile.")
    prefix: KeyPrefix = field("holdfast/", "Prefix of every key, so that an etcd can be shared; ends in a slash.")
    quota: Quota = field(
        2 << 30,
        "etcd's space quota (its --quota-backend-bytes). Pushes are refused at 80 % of it, because a full etcd takes no deletes "
        "either.",
    )
    request_timeout: PositiveTime = field(seconds(5), "One request to etcd, retries at other members included.")


class Node(Section):
    """One storage node: one process on one disk (ours)."""

    data_dir: Text = field(
        "",
        "Directory of the node's bytes. When empty: node in storage.rootDirectory, one of which a storage node needs.",
    )
    listen: Listen = field(
        "127.0.0.1:5100", "host:port to listen on, or unix:/path. Beyond loopback it needs certificates."
    )
    advertise: HostPort | None = field(
        None, "host:port under which the others reach the node; its certificate names this host. When absent: listen."
    )
    zone: Label = field(
        "default", "What fails together: a rack, a room. Copies go to different zones while there are enough."
    )
    weight: Positive | None = field(
        None, "Share of the data, relative to other nodes' weights. When absent: by capacity."
    )
    repair_bandwidth: Bandwidth | None = field(
        None, "Bytes a second for repair and rebalancing at most. When absent: what clients leave."
    )
    metrics: HostPort | None = field(
        None, "host:port where the node's metrics are read, such as 127.0.0.1:5101; in plaintext. When absent: nowhere."
    )

    def data_directory(self, root_directory: str) -> str:
        """``dataDir``, or what it is in this ``storage.rootDirectory`` when nothing is said.

        Raises:
            ConfigError: neither is given, as in a file for gateways.
        """
        if not self.data_dir and not root_directory:
            fault = Fault(
                "cluster.node.dataDir",
                "missing, and so is storage.rootDirectory: this file is a gateway's, which keeps nothing",
                'write the directory of this node\'s disk, such as "/var/lib/holdfast/node"',
            )
            raise ConfigError("a storage node needs a directory", [fault.as_json()])
        return self.data_dir or posixpath.join(root_directory, "node")

    @property
    def advertised(self) -> str:
        """``advertise``, or ``listen`` when nothing is said."""
        return self.advertise or self.listen


class Worker(Section):
    """One sync worker: it asks the upstreams of extensions.sync (ours)."""

    listen: Listen = field(
        "127.0.0.1:5200", "host:port to listen on, or unix:/path. Beyond loopback it needs certificates."
    )
    advertise: HostPort | None = field(
        None, "host:port under which gateways reach the worker; its certificate names this host. When absent: listen."
    )
    metrics: HostPort | None = field(
        None,
        "host:port where the worker's metrics are read, such as 127.0.0.1:5201; in plaintext. When absent: nowhere.",
    )

    @property
    def advertised(self) -> str:
        """``advertise``, or ``listen`` when nothing is said."""
        return self.advertise or self.listen


class Cluster(Section):
    """Many machines, one registry."""

    members: Listed[Text] = field((), "zot's scale-out: host:port of every member.")
    hash_key: Secret | None = field(None, "zot's scale-out: 16 characters, the same for all members.")
    tls: Tls | None = field(None, "zot's scale-out: TLS between members.")
    name: Label = field("holdfast", "Name of the cluster for people, and in its certificates (ours).")
    etcd: Etcd | None = field(None, "Where the names are kept (ours).")
    ca_file: Text = field(
        "", "File with the cluster's authority: mutual TLS between its processes (ours); with certFile."
    )
    cert_file: Text = field("", "File with this process's certificate, as `holdfast certs issue` makes it (ours).")
    key_file: Text = field("", "File with its key (ours).")
    insecure: Flag = field(False, "Plaintext between processes beyond loopback, on a network that is trusted (ours).")
    stale_read_seconds: Seconds = field(
        seconds(60),
        "Seconds, or a duration, for which reads go on while etcd has no quorum (ours); answers carry a Warning then. 0: never.",
    )
    node: Node = field(Node, "The storage node on this machine (ours).")
    worker: Worker = field(Worker, "The sync worker on this machine (ours).")

    @property
    def has_certificates(self) -> bool:
        """Whether processes speak TLS to each other."""
        return bool(self.ca_file and self.cert_file and self.key_file)

    @property
    def is_scale_out(self) -> bool:
        """Whether anything of zot's scale-out is configured."""
        return bool(self.members) or self.hash_key is not None or self.tls is not None
