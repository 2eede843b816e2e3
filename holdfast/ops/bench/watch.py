"""What the server takes: memory and CPU of its process tree, when it runs on this machine.

The tree's root is found from the port: whoever listens there, then upwards while the parent runs the same executable (the
supervisor of a multi-process server), short of our own ancestors. ``--server-pid`` says it outright.

RSS is summed over the tree, so pages that processes share count once for each; growth is what the comparison uses. A
process that cannot be looked at (another user's) is left out. Sampling is four times a second: a shorter peak may be missed.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psutil

from holdfast.errors import RequestInvalidError
from holdfast.ops.bench.measure import ServerUse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.ops.bench.endpoint import Endpoint

_PERIOD_SECONDS: Final = 0.25


def find_server(endpoint: Endpoint) -> int | None:
    """The pid of the root of the server's tree; None when it is elsewhere or not ours to see."""
    if not _is_loopback(endpoint.host):
        return None
    try:
        sockets = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return None
    listening = (s for s in sockets if s.status == psutil.CONN_LISTEN and s.laddr)
    pids = {s.pid for s in listening if s.pid and getattr(s.laddr, "port", 0) == endpoint.port}
    ours = {process.pid for process in (psutil.Process(), *psutil.Process().parents())}
    roots = {_root_of(pid, ours) for pid in pids}
    return min(roots) if roots else None


def _is_loopback(host: str) -> bool:
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
        return all(ipaddress.ip_address(address).is_loopback for address in found)
    except (OSError, ValueError):
        return False


def _root_of(pid: int, not_beyond: set[int]) -> int:
    try:
        process = psutil.Process(pid)
        for parent in process.parents():
            if parent.pid in not_beyond or parent.exe() != process.exe():
                break
            process = parent
    except psutil.Error:
        return pid
    return process.pid


class ServerWatch:
    """Looks at one tree. Without a pid it sees nothing and says so by None."""

    def __init__(self, pid: int | None) -> None:
        if pid is not None and not psutil.pid_exists(pid):
            raise RequestInvalidError(f"there is no process {pid}; give the pid of the server's main process")
        self.pid = pid

    @contextmanager
    def over(self) -> Iterator[Sampling]:
        """Sample while the block runs; read ``Sampling.use`` after it."""
        sampling = Sampling(self.pid)
        sampling.start()
        try:
            yield sampling
        finally:
            sampling.stop()


class Sampling:
    """One stretch of time. ``use`` is None until it ends, and when there is no server to look at."""

    def __init__(self, pid: int | None) -> None:
        self.use: ServerUse | None = None
        self._pid = pid
        self._cpu_first: dict[int, float] = {}
        self._cpu_last: dict[int, float] = {}
        self._before_bytes = 0
        self._peak_bytes = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bench-watch", daemon=True)

    def start(self) -> None:
        if self._pid is None:
            return
        self._before_bytes = self._sample()
        # A process born later starts at zero; only what lived before has CPU time to take off.
        self._cpu_first = dict(self._cpu_last)
        self._thread.start()

    def stop(self) -> None:
        if self._pid is None:
            return
        self._ended.set()
        self._thread.join()
        self._sample()
        spent = sum(last - self._cpu_first.get(pid, 0.0) for pid, last in self._cpu_last.items())
        self.use = ServerUse(spent, self._before_bytes, self._peak_bytes)

    def _run(self) -> None:
        while not self._ended.wait(_PERIOD_SECONDS):
            self._sample()

    def _sample(self) -> int:
        total_bytes = 0
        for process in _tree(self._pid):
            try:
                with process.oneshot():
                    total_bytes += process.memory_info().rss
                    times = process.cpu_times()
                    self._cpu_last[process.pid] = times.user + times.system
            except psutil.Error:
                continue  # it ended between listing and looking, or is not ours to see
        self._peak_bytes = max(self._peak_bytes, total_bytes)
        return total_bytes


def _tree(pid: int | None) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []
