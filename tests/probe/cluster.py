"""A real cluster: etcd, storage nodes and gateways, each a process that can be killed, stopped, continued and started again.

with clusters.running(directory, nodes=4) as cluster:
    cluster.nodes["a"].kill()        # SIGKILL, to its process group
    cluster.nodes["b"].pause()       # SIGSTOP; resume() lets it go on
    cluster.nodes["a"].begin()       # again, with the disk that it had
    cluster.settled()                # waits until every copy is where the layout wants it

Disks are looked at directly (``Node.held``), whatever a node says of itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast import digest as digests
from holdfast.clock import SystemClock
from holdfast.errors import HoldfastError
from holdfast.meta import keys
from holdfast.meta.layouts import LayoutBook
from holdfast.meta.members import Intent, Members
from holdfast.meta.store import Put
from holdfast.placement import ring
from holdfast.placement.layout import NodeRole, Rules
from storagenode.disk.tree import Tree
from tests.etcd_cluster import EtcdCluster
from tests.probe.hosts import Bridge, Host, Loopback
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.placement.layout import Layout

START_SECONDS = 60.0
SETTLE_SECONDS = 120.0


@dataclass
class Process:
    """One process and what it started. ``words``: its command line; ``log``: the file its lines go to."""

    name: str
    host: Host
    directory: Path
    words: Sequence[str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.directory / f"{self.name}.log"

    def begin(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.host.words, *self.words],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        """To the process and all that it started: they are one session."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def stop(self) -> int:
        """In order; the exit code."""
        if self.process is None:
            return 0
        self.resume()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(60)
        finally:
            self.kill()
        return code


@dataclass
class Node(Process):
    """A storage node. ``data`` is its disk."""

    data: Path = Path()
    zone: str = "z"
    listen: str = ""

    @property
    def is_known(self) -> bool:
        """False: its disk is empty, and what starts there will be another node."""
        return (self.data / "node.json").exists()

    @property
    def node_id(self) -> str:
        found: str = json.loads((self.data / "node.json").read_text(encoding="utf-8"))["node_id"]
        return found

    def path(self, digest: str) -> Path:
        return Path(Tree(str(self.data)).blob(digests.parse(digest)))

    def held(self) -> set[str]:
        """Every copy on its disk, by name alone."""
        return {name.replace("-", ":", 1) for _, _, names in os.walk(self.data / "blobs") for name in names}

    def holds(self, digest: str, size_bytes: int | None = None) -> bool:
        """The right bytes, read from its disk."""
        try:
            data = self.path(digest).read_bytes()
        except FileNotFoundError:
            return False
        return f"sha256:{hashlib.sha256(data).hexdigest()}" == digest and size_bytes in {None, len(data)}


@dataclass
class Gateway(Process):
    """An HTTP edge."""

    port: int = 0

    @property
    def address(self) -> tuple[str, int]:
        return self.host.address, self.port

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        seconds: float = 60.0,
    ) -> tuple[int, dict[str, str], bytes]:
        """One request on a connection of its own. Raises OSError, HTTPException."""
        connection = http.client.HTTPConnection(*self.address, timeout=seconds)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.ask("GET", "/readyz", seconds=5)[0] == 200
        return False


@dataclass
class Cluster:
    """``network`` says where processes run; the test itself is at its hub."""

    directory: Path
    network: Loopback | Bridge
    etcd: EtcdCluster
    settings: dict[str, Any] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    gateways: dict[str, Gateway] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.metadata = self.etcd.open(b"probe/")
        clock = SystemClock()
        self.members = Members(self.metadata, _new_id, clock)
        self.book = LayoutBook(self.metadata, _new_id, clock)
        self._former_boots: set[bytes] = set()

    # -- processes

    def add_node(self, name: str, zone: str = "z", data: Path | None = None, **settings: Any) -> Node:
        host = self.network.place(name)
        data = data or self.directory / name
        listen = f"{host.address}:{host.port(5100)}"
        node_settings = {"dataDir": str(data), "listen": listen, "zone": zone}
        config = self._config(name, {"cluster": {"node": node_settings}}, settings)
        words = [sys.executable, "-m", "holdfast.cli", "storagenode", str(config)]
        node = self.nodes[name] = Node(name, host, self.directory, words, data=data, zone=zone, listen=listen)
        node.begin()
        return node

    def add_gateway(self, name: str) -> Gateway:
        host = self.network.place(name)
        port = host.port(5000)
        listen = {"address": host.address, "port": str(port), "workers": 1}
        config = self._config(name, {"http": listen}, {})
        words = [sys.executable, "-m", "holdfast.cli", "gateway", str(config)]
        gateway = self.gateways[name] = Gateway(name, host, self.directory, words, port=port)
        gateway.begin()
        return gateway

    def _config(self, name: str, *more: dict[str, Any]) -> Path:
        config: dict[str, Any] = {
            "log": {"level": "info"},
            "storage": {"rootDirectory": str(self.directory / name), "freeSpaceReserve": "1MiB"},
            "cluster": {
                "etcd": {"endpoints": self.etcd.urls, "prefix": "probe/"},
                "insecure": not self.network.is_private,
            },
        }
        for settings in (self.settings, *more):
            _merge(config, settings)
        path = self.directory / f"{name}.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    @property
    def processes(self) -> list[Process]:
        return [*self.nodes.values(), *self.gateways.values()]

    def wait_until_alive(self, *names: str) -> None:
        """These nodes (all) hold leases: of their present lives, where they were begun by ``again``."""
        wanted = [self.nodes[name] for name in names or self.nodes]
        wait_for(f"the nodes {', '.join(names)} to join", lambda: all(map(self._has_joined, wanted)), START_SECONDS)

    def _has_joined(self, node: Node) -> bool:
        assert node.is_running, f"node {node.name} ended: {tail(node.log)}"
        with contextlib.suppress(FileNotFoundError, HoldfastError, ValueError):
            alive = self.members.alive().get(node.node_id)
            return alive is not None and alive.boot_id not in self._former_boots
        return False

    def again(self, *names: str) -> None:
        """Begin these nodes, and wait until all have joined."""
        self.note_boots()
        for name in names:
            self.nodes[name].begin()
        self.wait_until_alive(*names)

    def note_boots(self) -> None:
        """Leases that stand now and whose nodes are dead are of former lives."""
        dead = {node.node_id for node in self.nodes.values() if not node.is_running and node.is_known}
        self._former_boots |= {alive.boot_id for name, alive in self.members.alive().items() if name in dead}

    def wait_until_gone(self, name: str) -> None:
        """Its lease has ended."""
        node_id = self.nodes[name].node_id
        wait_for(f"the lease of {name} to end", lambda: node_id not in self.members.alive(), START_SECONDS)

    def wait_until_ready(self, *names: str) -> None:
        for gateway in [self.gateways[name] for name in names or self.gateways]:
            wait_for(f"gateway {gateway.name} to be ready", gateway.is_ready, START_SECONDS)

    # -- layouts

    def apply(self, *names: str, rules: Rules | None = None) -> Layout:
        """A layout of these nodes (all)."""
        chosen = [self.nodes[name] for name in names or self.nodes]
        live = self.book.live()
        previous = live.layouts.newest if live.layouts else None
        roles = [NodeRole(node.node_id, node.zone, 100) for node in chosen]
        rules = rules or (previous.rules if previous else Rules.majority(min(3, len(chosen))))
        layout = ring.assign(previous.version + 1 if previous else 1, rules, sorted(roles, key=_by_id), previous)
        self.book.publish(layout, live)
        return layout

    def remove(self, name: str) -> None:
        """The operator says that it will not come back."""
        self.members.order(self.nodes[name].node_id, intent=Intent.REMOVED)

    def owners(self, digest: str) -> set[str]:
        """By our names, by the newest layout."""
        layouts = self.book.live().layouts
        assert layouts is not None
        ids = layouts.newest.owners(digests.parse(digest).partition)
        return {name for name, node in self.nodes.items() if node.node_id in ids}

    def holders(self, digest: str) -> set[str]:
        return {name for name, node in self.nodes.items() if node.holds(digest)}

    def ask_for_repair(self) -> None:
        """Every node compares all that it has with the others, now."""
        assert self.metadata.txn([], [Put(keys.REPAIR_TASK, secrets.token_bytes(16))]).succeeded

    def settle(self) -> None:
        """Until one layout is live, no partition is dirty, and every node is through with a round."""
        wait_for("one layout", lambda: len(self.book.live().layouts.live) == 1, SETTLE_SECONDS)
        wait_for("no dirty partition", lambda: not self.book.dirty(), SETTLE_SECONDS)

    # -- the whole

    def start(self, nodes: Sequence[str], gateways: Sequence[str], rules: Rules | None = None) -> None:
        """``name@zone`` puts a node into a zone."""
        for name in nodes:
            self.add_node(*name.split("@"))
        self.wait_until_alive()
        self.apply(rules=rules)
        for name in gateways:
            self.add_gateway(name)
        self.wait_until_ready()

    def kill_everything(self) -> None:
        """A power cut, as far as processes are concerned."""
        self._former_boots |= {alive.boot_id for alive in self.members.alive().values()}
        for process in self.processes:
            process.signal(signal.SIGKILL)
        for member in self.etcd.members:
            member.kill()
        for process in self.processes:
            process.kill()

    def begin_everything(self) -> None:
        """All at once, in no good order."""
        for process in self.processes:
            process.begin()
        for member in self.etcd.members:
            member.begin()

    def stop(self) -> list[str]:
        """In order; what did not end well."""
        with ThreadPoolExecutor(8) as pool:
            ends = list(pool.map(lambda process: (process.name, process.stop()), self.processes))
        self.metadata.close()
        self.etcd.stop()
        return [f"{name} ended with {code}" for name, code in ends if code != 0]


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        else:
            into[key] = value


def _by_id(role: NodeRole) -> str:
    return role.node_id


def _new_id() -> bytes:
    return secrets.token_bytes(16)


def tail(path: Path, size: int = 1200) -> str:
    return path.read_text(encoding="utf-8", errors="replace")[-size:]


@contextlib.contextmanager
def running(
    directory: Path,
    nodes: Sequence[str] = ("a", "b", "c", "d"),
    gateways: Sequence[str] = ("g1", "g2"),
    *,
    rules: Rules | None = None,
    etcd: int = 1,
    machines: bool = True,
    **settings: Any,
) -> Iterator[Cluster]:
    """``machines``: each process on a host of its own, else all on loopback. All must end well."""
    directory.mkdir(parents=True, exist_ok=True)
    network = Bridge(directory) if machines else Loopback()
    try:
        store = EtcdCluster.start(directory / f"etcd{time.monotonic_ns()}", etcd, address=network.hub)
        cluster = Cluster(directory, network, store, settings)
        try:
            cluster.start(nodes, gateways, rules)
            yield cluster
        except BaseException:
            for process in cluster.processes:
                print(f"--- {process.name}\n{tail(process.log)}")
                process.kill()
            raise
        finally:
            faults = cluster.stop()
        assert not faults, faults
    finally:
        network.close()
