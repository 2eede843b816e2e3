"""The storage nodes of a registry: those of a cluster, or the one of this machine.

Promises: what cannot be reached ends with one line that says what to do. Never: starts anything.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from holdfast.clock import SystemClock
from holdfast.errors import ConfigError, HoldfastError
from holdfast.ops import console, picture
from holdfast.ops.children import EXIT_CONFIG
from holdfast.ops.registry import chosen
from holdfast.ops.starting import report_refusal
from holdfast.replicas.access import access
from holdfast.rpc.client import GrpcNode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.config import Settings
    from holdfast.replicas.access import ClusterAccess
    from holdfast.rpc.node import NodeClient

_HERE: Final = "this machine"


@dataclass(frozen=True, slots=True)
class Nodes:
    """By name. ``down``: those that do not run. ``first`` looks after links, for all of them."""

    up: dict[str, NodeClient]
    down: tuple[str, ...] = ()
    first: str = _HERE


@contextlib.contextmanager
def reached(path: Path | None, wanted: Sequence[str]) -> Iterator[Nodes]:
    """For the length of a command: the nodes that are ``wanted`` by id or address, all of them if none is named."""
    with contextlib.ExitStack() as stack:
        try:
            settings = chosen(path)
            if settings.cluster is not None and settings.cluster.etcd is not None:
                cluster = access(settings.cluster, SystemClock(), "")
                stack.callback(cluster.close)
            else:
                cluster = None
        except ConfigError as error:
            report_refusal(error)
            raise typer.Exit(EXIT_CONFIG) from None
        try:
            yield _of_cluster(cluster, wanted) if cluster is not None else _of_machine(settings, wanted, stack)
        except HoldfastError as error:
            raise console.refuse([error.message]) from error


def _of_cluster(cluster: ClusterAccess, wanted: Sequence[str]) -> Nodes:
    view = (seen := picture.read(cluster)).view
    names = {picture.find(seen, one).node_id for one in wanted} or view.members.keys() - view.removed
    up = {name: cluster.directory.client(name) for name in sorted(names & view.alive.keys())}
    return Nodes(up, tuple(sorted(names - view.alive.keys())), min(view.alive, default=""))


def _of_machine(settings: Settings, wanted: Sequence[str], stack: contextlib.ExitStack) -> Nodes:
    if wanted:
        raise typer.BadParameter("a registry of one machine has one node: name none")
    root = Path(settings.storage.root_directory).absolute()
    run = root / "run"
    socket = (run.readlink() if run.is_symlink() else run) / "node.sock"
    if not os.access(socket, os.R_OK | os.W_OK):
        raise console.refuse(
            [f"no registry of ours runs on {root}: start it by `holdfast serve`, or run this as whoever runs it"]
        )
    node = GrpcNode(f"unix:{socket}", host_id="")
    stack.callback(node.close)
    return Nodes({_HERE: node})
