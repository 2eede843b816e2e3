"""A real registry for tests: ``holdfast serve`` in a process of its own, on a free port, in a directory of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests import secrets
from tests.asking import Asked

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

START_SECONDS = 90.0
STOP_SECONDS = 60.0


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Poll until ``condition`` is true; the one place where tests wait."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.02)


@dataclass
class Server(Asked):
    """A started registry. ``config`` is what it was started with; ``log`` is the file its lines go to."""

    root: Path
    port: int
    process: subprocess.Popen[bytes]
    log: Path
    config: Path
    pids: list[int] = field(default_factory=list)
    trust: ssl.SSLContext | None = None
    address: str = "127.0.0.1"

    @property
    def host(self) -> str:
        return f"{self.address}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'http' if self.trust is None else 'https'}://{self.host}"

    def told(self, word: str) -> list[dict[str, Any]]:
        """Its log's lines in which this stands."""
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and word in line]

    def child(self, name: str) -> int:
        """The pid of a supervised process, from the supervisor's own log."""
        lines = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{"))
        return [line["pid"] for line in lines if line.get("event") == "started" and line.get("child") == name][-1]

    def stop(self, signum: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signum)
        code = self.process.wait(STOP_SECONDS)
        secrets.require_none(self.root)
        return code


def start(
    root: Path,
    port: int = 0,
    wait: bool = True,
    trust: ssl.SSLContext | None = None,
    within: Sequence[str] = (),
    **settings: Any,
) -> Server:
    """Start a registry below ``root``. ``settings`` are merged into the configuration, section by section. ``trust``: it speaks
    HTTPS, and this is how it is asked. ``within``: a command that starts it elsewhere.
    """
    root.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    config: dict[str, Any] = {
        "storage": {"rootDirectory": str(root / "data")},
        "http": {"address": "127.0.0.1", "port": str(port)},
        "log": {"level": "info"},
    }
    for section, values in settings.items():
        config.setdefault(section, {}).update(values)
    path = root / "config.json"
    path.write_text(json.dumps(config))
    address = config["http"]["address"]
    return launched(root, path, port, wait=wait, trust=trust, within=within, address=address)


def launched(
    root: Path,
    config: Path,
    port: int,
    *,
    wait: bool = True,
    ready: Callable[[Server], bool] = Server.ready,
    trust: ssl.SSLContext | None = None,
    within: Sequence[str] = (),
    address: str = "127.0.0.1",
) -> Server:
    """Start a registry on a configuration that is there; its lines go to ``log`` below ``root``."""
    log = root / "log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*within, sys.executable, "-m", "holdfast.cli", "serve", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
    server = Server(root, port, process, log, config, trust=trust, address=address)
    if wait:
        try:
            wait_for("the registry to be ready", lambda: process.poll() is not None or ready(server), START_SECONDS)
            assert process.poll() is None, log.read_text()[-4000:]
        except BaseException:
            process.kill()
            process.wait()
            print(log.read_text()[-4000:])
            raise
    return server


@contextlib.contextmanager
def serving(root: Path, trust: ssl.SSLContext | None = None, **settings: Any) -> Iterator[Server]:
    """A registry for the length of a block; it must stop cleanly."""
    server = start(root, trust=trust, **settings)
    try:
        yield server
    finally:
        code = server.stop()
    assert code == 0, f"the registry ended with {code}: {server.log.read_text()[-2000:]}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
