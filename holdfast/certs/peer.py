"""Who a process of a cluster is, as its certificate says it.

One URI among the subject's alternative names: ``holdfast://<cluster>/<role>/<name>``.

Invariants: the three parts are labels (letters, digits, dot, dash, underscore; 63 at most), so the text reads back to the
same value and means nothing else to a shell, a path or a log.

Never: trusts the text. It is worth what the authority that signed it is worth.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SCHEME: Final = "holdfast://"

_LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)


class Role(StrEnum):
    """What a process does. What each may ask of a storage node stands in ``holdfast.rpc.methods``."""

    GATEWAY = "gateway"
    NODE = "node"
    WORKER = "worker"
    OPS = "ops"
    # A member of etcd: trusted with the names by those that connect to it, and with nothing by storage nodes.
    ETCD = "etcd"


def is_label(text: str) -> bool:
    """Whether this can be the name of a cluster or of a process."""
    return _LABEL.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Peer:
    """A process of a cluster.

    Raises:
        ValueError: a part that is no label.
    """

    cluster: str
    role: Role
    name: str

    def __post_init__(self) -> None:
        for part in (self.cluster, self.name):
            if not is_label(part):
                raise ValueError(
                    "a name of a cluster or a process is 1 to 63 letters, digits, dots, dashes, underscores"
                )

    @property
    def uri(self) -> str:
        return f"{SCHEME}{self.cluster}/{self.role}/{self.name}"

    def __str__(self) -> str:
        return f"{self.role} {self.name} of cluster {self.cluster}"


def parse_peer(uri: str) -> Peer:
    """The peer that a URI names.

    Raises:
        ValueError: another scheme, another form, or a role that nobody has here.
    """
    parts = uri.removeprefix(SCHEME).split("/")
    if not uri.startswith(SCHEME) or len(parts) != 3:
        raise ValueError(f"not of the form {SCHEME}cluster/role/name")
    cluster, role, name = parts
    if role not in set(Role):
        raise ValueError(f"a role other than {', '.join(Role)}")
    return Peer(cluster, Role(role), name)
