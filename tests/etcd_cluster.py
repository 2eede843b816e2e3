"""Real etcds for tests: one member or several, on free loopback ports, each a process that can be killed, stopped and started.

cluster = EtcdCluster.start(directory, members=3)
cluster.leader().kill()          # SIGKILL
cluster.members[0].pause()       # SIGSTOP; resume() lets it go on
cluster.members[0].begin()       # again, with the data it had
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.clock import SystemClock
from holdfast.meta.etcd import EtcdOptions, EtcdStore, endpoint
from tests.clients.programs import need
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence


def free_ports(count: int, address: str = "127.0.0.1") -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((address, 0))
        return [one.getsockname()[1] for one in sockets]


@dataclass
class EtcdMember:
    name: str
    directory: Path
    client_url: str
    words: Sequence[str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.directory / f"{self.name}.log"

    def begin(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.words, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)  # until its last thread stands still

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@dataclass
class EtcdCluster:
    directory: Path
    members: list[EtcdMember] = field(default_factory=list)

    @classmethod
    def start(
        cls,
        directory: Path,
        members: int = 1,
        extra: Sequence[str] = (),
        scheme: str = "http",
        *,
        wait: bool = True,
        address: str = "127.0.0.1",
    ) -> EtcdCluster:
        program = need("etcd")
        directory.mkdir(parents=True, exist_ok=True)
        ports = free_ports(2 * members, address)
        names = [f"n{number}" for number in range(members)]
        peers = {name: f"http://{address}:{port}" for name, port in zip(names, ports[members:], strict=True)}
        cluster = cls(directory)
        for name, port in zip(names, ports, strict=False):
            client = f"{scheme}://{address}:{port}"
            words = {
                "--name": name,
                "--data-dir": str(directory / name),
                "--listen-client-urls": client,
                "--advertise-client-urls": client,
                "--listen-peer-urls": peers[name],
                "--initial-advertise-peer-urls": peers[name],
                "--initial-cluster": ",".join(f"{peer}={url}" for peer, url in peers.items()),
                "--initial-cluster-token": directory.name,
                "--logger": "zap",
                "--log-level": "warn",
            }
            flat = [program, *(word for pair in words.items() for word in pair), *extra]
            cluster.members.append(EtcdMember(name, directory, client, flat))
        for member in cluster.members:
            member.begin()
        if wait:
            cluster.wait_until_healthy()
        return cluster

    @property
    def urls(self) -> list[str]:
        return [member.client_url for member in self.members]

    def options(self, prefix: bytes = b"holdfast/", **more) -> EtcdOptions:
        return EtcdOptions(tuple(endpoint(url) for url in self.urls), prefix=prefix, **more)

    def open(self, prefix: bytes = b"holdfast/", **more) -> EtcdStore:
        return EtcdStore(self.options(prefix, **more), SystemClock())

    def wait_until_healthy(self) -> None:
        with contextlib.closing(self.open()) as store:
            wait_for("all etcd members", lambda: _healthy(store), 60)

    def leader(self) -> EtcdMember:
        with contextlib.closing(self.open()) as store:
            status = store.status()
            found = [str(member.endpoint) for member in status.members if member.is_leader]
        (url,) = found
        return next(member for member in self.members if member.client_url == url)

    def followers(self) -> list[EtcdMember]:
        leader = self.leader()
        return [member for member in self.members if member is not leader]

    def stop(self) -> None:
        for member in self.members:
            if member.process is not None:
                member.resume()
            member.kill()


def _healthy(store: EtcdStore) -> bool:
    status = store.status()
    return status.has_quorum and not [member for member in status.members if member.trouble]


@functools.cache
def shared_cluster(members: int) -> EtcdCluster:
    """One for all tests of this process that do not break it. Tests use prefixes of their own."""
    directory = Path(tempfile.mkdtemp(prefix="holdfast-etcd-"))
    cluster = EtcdCluster.start(directory / f"of{members}", members)
    process = os.getpid()

    def end() -> None:
        if os.getpid() == process:
            cluster.stop()
            shutil.rmtree(directory, ignore_errors=True)

    atexit.register(end)
    return cluster
