"""A small real cluster for the operator's commands: one etcd, storage nodes, each a process; ``holdfast`` as a person calls it."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast import config
from holdfast import digest as digests
from holdfast.clock import SystemClock
from holdfast.replicas.access import access
from storagenode.disk.tree import Tree
from tests.etcd_cluster import EtcdCluster
from tests.serving import STOP_SECONDS, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.replicas.access import ClusterAccess


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def text(self) -> str:
        return self.out + self.err


@dataclass
class StorageProcess:
    name: str
    config: Path
    log: Path
    process: subprocess.Popen[bytes] | None = None
    node_id: str = ""

    def begin(self) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "holdfast.cli", "storagenode", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def end(self, signum: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(signum)
            self.process.wait(STOP_SECONDS)
            self.process = None


@dataclass
class OpsCluster:
    root: Path
    etcd: EtcdCluster
    nodes: dict[str, StorageProcess] = field(default_factory=dict)

    def settings(self, **node: Any) -> dict[str, Any]:
        return {
            "storage": {"rootDirectory": str(self.root / "unused")},
            "http": {"address": "127.0.0.1", "port": "5000"},
            "log": {"level": "info"},
            "cluster": {"etcd": {"endpoints": self.etcd.urls}, "node": node},
        }

    @property
    def config(self) -> Path:
        path = self.root / "ops.json"
        if not path.exists():
            path.write_text(json.dumps(self.settings()))
        return path

    def add(self, *names: str) -> None:
        """Start storage nodes, ``name`` or ``name@zone``, and wait until they have joined."""
        before = len(self.alive())
        for text in names:
            name, _, zone = text.partition("@")
            path = self.root / f"{name}.json"
            node = {"dataDir": str(self.root / name), "listen": "127.0.0.1:0", "zone": zone or "default"}
            path.write_text(json.dumps(self.settings(**node)))
            self.nodes[name] = StorageProcess(name, path, self.root / f"{name}.log")
            self.nodes[name].begin()
        wait_for("the nodes to join", lambda: len(self.alive()) == before + len(names), 60)
        for node in self.nodes.values():
            node.node_id = json.loads((self.root / node.name / "node.json").read_text())["node_id"]

    def alive(self) -> set[str]:
        with self.reached() as cluster:
            return set(cluster.members.alive())

    @contextlib.contextmanager
    def reached(self) -> Iterator[ClusterAccess]:
        settings = config.load(self.config)
        found = access(settings.cluster, SystemClock(), "")
        try:
            yield found
        finally:
            found.close()

    def id_of(self, name: str) -> str:
        return self.nodes[name].node_id

    def kill(self, name: str) -> None:
        """Dead at once, and known to be: its lease is taken away rather than waited for."""
        self.nodes[name].end(signal.SIGKILL)
        with self.reached() as cluster:
            entry = cluster.metadata.get(f"alive/{self.id_of(name)}".encode())
            if entry is not None:
                cluster.metadata.revoke_lease(entry.lease_id)

    def holdfast(self, *words: str, config: Path | None = None, env: dict[str, str] | None = None) -> Said:
        """The program, with this cluster's configuration in the environment."""
        environment = os.environ | {"HOLDFAST_CONFIG": str(config or self.config), "NO_COLOR": "1"} | (env or {})
        done = subprocess.run(
            [sys.executable, "-m", "holdfast.cli", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=environment,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def blob(self, name: str, digest: str) -> Path:
        """Where the node keeps its copy, if it has one."""
        return Path(Tree(str(self.root / name)).blob(digests.parse(digest)))

    def must(self, *words: str) -> Said:
        said = self.holdfast(*words)
        assert said.code == 0, f"{words} ended with {said.code}: {said.text}"
        return said


@dataclass(frozen=True)
class Edge:
    """A gateway, spoken to by HTTP."""

    port: int

    def __call__(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self("GET", "/readyz")[0] == 200
        return False

    def push_blob(self, repository: str, data: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        code, _, said = self("POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", data)
        assert code == 201, said
        return digest

    def push_image(self, repository: str, tag: str, *layers: bytes) -> list[str]:
        """The digests of the manifest, the config and the layers."""
        blobs = [self.push_blob(repository, data) for data in (b"{}", *layers)]
        parts = [
            {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": len(data)}
            for digest, data in zip(blobs, (b"{}", *layers), strict=True)
        ]
        media_type = "application/vnd.oci.image.manifest.v1+json"
        config = parts[0] | {"mediaType": "application/vnd.oci.image.config.v1+json"}
        manifest = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": parts[1:]}
        body = json.dumps(manifest).encode()
        code, headers, said = self("PUT", f"/v2/{repository}/manifests/{tag}", body, **{"Content-Type": media_type})
        assert code == 201, said
        return [headers["docker-content-digest"], *blobs]


@contextlib.contextmanager
def gateway_of(cluster: OpsCluster) -> Iterator[Edge]:
    """One more process: ``holdfast gateway``."""
    edge = Edge(free_port())
    settings = cluster.settings()
    settings["http"]["port"] = str(edge.port)
    path, log = cluster.root / "gateway.json", cluster.root / "gateway.log"
    path.write_text(json.dumps(settings))
    with log.open("ab") as out:
        words = [sys.executable, "-m", "holdfast.cli", "gateway", str(path)]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        wait_for("the gateway", lambda: process.poll() is not None or edge.is_ready(), 60)
        assert process.poll() is None, log.read_text()[-2000:]
        yield edge
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


@contextlib.contextmanager
def running(root: Path, *names: str) -> Iterator[OpsCluster]:
    cluster = OpsCluster(root, EtcdCluster.start(root / "etcd"))
    try:
        cluster.add(*names)
        yield cluster
    finally:
        for node in cluster.nodes.values():
            if node.process is not None:
                node.process.terminate()
        for node in cluster.nodes.values():
            node.end(signal.SIGKILL)
        cluster.etcd.stop()
