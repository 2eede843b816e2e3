"""A real cluster for tests: etcd, ``holdfast storagenode`` and ``holdfast gateway``, all processes that can be stopped and started.

with running(tmp_path, nodes=("a", "b", "c"), gateways=("g", "h")) as cluster:
    cluster.gateways["g"].request("GET", "/v2/")
    cluster.nodes["a"].pause()       # SIGSTOP; resume() lets it go on
    cluster.nodes["a"].kill()        # SIGKILL
    cluster.nodes["a"].begin()       # again, on the directory that it had

Only what was started here is ever signalled.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.clock import SystemClock
from holdfast.meta.layouts import LayoutBook
from holdfast.meta.members import Members
from holdfast.placement import ring
from holdfast.placement.layout import NodeRole, Rules
from storagenode.disk.tree import Tree
from tests.asking import Asked
from tests.etcd_cluster import EtcdCluster, free_ports
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from holdfast.digest import Digest
    from holdfast.meta.etcd import EtcdStore

# Three processes at once on a machine that is busy with something else.
_START_SECONDS = 180.0
_STOP_SECONDS = 60.0


def cli(*words: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """One command of ``holdfast``, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "holdfast.cli", *words],
        env=os.environ | dict(environment or {}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@dataclass
class Process(Asked):
    """One process of the cluster, of one configuration file. ``environment`` comes on top of this process's own; ``within``: a
    command that starts it elsewhere.
    """

    name: str
    command: str
    directory: Path
    settings: dict[str, Any]
    port: int
    environment: dict[str, str] = field(default_factory=dict)
    within: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.directory / f"{self.name}.log"

    @property
    def config(self) -> Path:
        return self.directory / f"{self.name}.json"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def begin(self) -> None:
        self.config.write_text(json.dumps(self.settings))
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [*self.within, sys.executable, "-m", "holdfast.cli", self.command, str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=os.environ | {"PYTHONUNBUFFERED": "1"} | self.environment,
            )

    def told(self) -> str:
        """What it wrote so far."""
        return self.log.read_text(errors="replace")

    def ended(self) -> int | None:
        return self.process.poll() if self.process is not None else None

    def wait_until(self, what: str, holds: Callable[[], Any], seconds: float = 60.0) -> None:
        wait_for(f"{self.name}: {what}", lambda: self.ended() is not None or holds(), seconds)
        assert self.ended() is None, f"{self.name} ended with {self.ended()}: {self.told()[-4000:]}"

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(_STOP_SECONDS)
        self.process = None
        return code

    def kill(self) -> None:
        if self.process is not None:
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def pids(self) -> list[int]:
        """Its own, then those of the workers that it has at this moment."""
        pid = self.process.pid
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
        return [pid]

    def pause(self) -> None:
        for pid in self.pids():
            os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in reversed(self.pids()):
            os.kill(pid, signal.SIGCONT)


@dataclass
class NodeProcess(Process):
    """``holdfast storagenode``."""

    @property
    def data_directory(self) -> Path:
        return Path(self.settings["cluster"]["node"]["dataDir"])

    @property
    def tree(self) -> Tree:
        return Tree(str(self.data_directory))

    @property
    def node_id(self) -> str:
        return str(json.loads(Path(self.tree.node_file).read_text())["node_id"])

    def holds(self, digest: Digest) -> bool:
        """On its disk, whatever it says."""
        return Path(self.tree.blob(digest)).exists()

    def held(self) -> set[str]:
        return {name for _, _, names in os.walk(self.tree.blobs) for name in names}


@dataclass
class Cluster:
    directory: Path
    etcd: EtcdCluster
    http: dict[str, Any] = field(default_factory=dict)
    storage: dict[str, Any] = field(default_factory=dict)
    nodes: dict[str, NodeProcess] = field(default_factory=dict)
    gateways: dict[str, Process] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store: EtcdStore = self.etcd.open()
        self.members = Members(self.store, lambda: os.urandom(16), SystemClock())
        self.book = LayoutBook(self.store, lambda: os.urandom(16), SystemClock())

    @property
    def settings(self) -> dict[str, Any]:
        """What all processes' configurations have in common."""
        return {
            "storage": {"rootDirectory": str(self.directory), "freeSpaceReserve": "1MiB", **self.storage},
            "log": {"level": "info"},
            "cluster": {"etcd": {"endpoints": self.etcd.urls}},
        }

    def node(
        self,
        name: str,
        zone: str = "z",
        data_directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> NodeProcess:
        """Made, not begun."""
        settings = self.settings
        (port,) = free_ports(1)
        settings["cluster"]["node"] = {
            "dataDir": str(data_directory or self.directory / name),
            "listen": f"127.0.0.1:{port}",
            "zone": zone,
        }
        made = NodeProcess(name, "storagenode", self.directory, settings, port, dict(environment or {}))
        self.nodes[name] = made
        return made

    def gateway(self, name: str, environment: Mapping[str, str] | None = None, **http: Any) -> Process:
        """Made, not begun."""
        (port,) = free_ports(1)
        settings = self.settings | {"http": {"address": "127.0.0.1", "port": str(port), **self.http, **http}}
        del settings["storage"]  # it keeps nothing
        made = Process(name, "gateway", self.directory, settings, port, dict(environment or {}))
        self.gateways[name] = made
        return made

    def begin(self, *processes: Process) -> None:
        """Start them, and wait until all take part."""
        for one in processes:
            one.begin()
        for one in processes:
            if isinstance(one, NodeProcess):
                one.wait_until("to be alive", lambda node=one: self._is_alive(node), _START_SECONDS)
            else:
                one.wait_until("to be ready", one.ready, _START_SECONDS)

    def _is_alive(self, node: NodeProcess) -> bool:
        return Path(node.tree.node_file).exists() and node.node_id in self.members.alive()

    def apply(self, replicas: int = 3, names: Sequence[str] | None = None, rules: Rules | None = None) -> None:
        """A layout of these nodes, or of all."""
        chosen = [self.nodes[name] for name in (self.nodes if names is None else names)]
        live = self.book.live()
        previous = live.layouts.newest if live.layouts else None
        roles = [NodeRole(node.node_id, node.settings["cluster"]["node"]["zone"], 100) for node in chosen]
        version = previous.version + 1 if previous else 1
        rules = rules or Rules.majority(min(replicas, len(chosen)))
        self.book.publish(ring.assign(version, rules, roles, previous), live)

    def holders(self, digest: Digest) -> set[str]:
        return {name for name, node in self.nodes.items() if node.holds(digest)}

    def owners(self, digest: Digest) -> set[str]:
        """By the newest layout, as our names."""
        layouts = self.book.live().layouts
        assert layouts is not None
        ids = layouts.newest.owners(digest.partition)
        return {name for name, node in self.nodes.items() if node.node_id in ids}

    def end(self) -> None:
        for one in (*self.gateways.values(), *self.nodes.values()):
            one.kill()
        self.store.close()
        self.etcd.stop()


@contextlib.contextmanager
def running(
    directory: Path,
    nodes: Sequence[str] = (),
    gateways: Sequence[str] = (),
    replicas: int = 3,
    etcd_members: int = 1,
    storage: Mapping[str, Any] | None = None,
    **http: Any,
) -> Iterator[Cluster]:
    """Nodes of these names in one layout, and gateways; etcd alone where none are named. ``name@zone`` puts a node into a zone.
    ``storage``: more of that block.
    """
    cluster = Cluster(directory, EtcdCluster.start(directory / "etcd", etcd_members), http, dict(storage or {}))
    try:
        cluster.begin(*(cluster.node(*name.split("@")) for name in nodes))
        if nodes:
            cluster.apply(replicas)
        cluster.begin(*(cluster.gateway(name) for name in gateways))
        yield cluster
    except BaseException:
        for one in (*cluster.nodes.values(), *cluster.gateways.values()):
            if one.log.exists():
                print(f"--- {one.name}\n{one.told()[-3000:]}")
        raise
    finally:
        cluster.end()
