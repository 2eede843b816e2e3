"""The registries that are compared, each as a program that can be started on an empty directory and stopped.

All listen on loopback, write no access log beyond what is their nature, and may delete. The peers get their in-memory
descriptor cache, and distribution 3 is spared from exporting traces to nobody: they are measured at their best.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from holdfast.errors import AnswerError
from holdfast.ops.bench import endpoint as endpoints
from holdfast.ops.bench.endpoint import Dialer, Endpoint
from holdfast.ops.bench.http import Connection, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

HOLDFAST = "holdfast"
DEBIAN = "docker-registry"
DISTRIBUTION = "distribution"
DISTRIBUTION_VERSION = "v3.1.1"
_DISTRIBUTION_MODULE = f"github.com/distribution/distribution/v3/cmd/registry@{DISTRIBUTION_VERSION}"
_READY_SECONDS = 60.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.1


class SubjectError(Exception):
    """A registry is not installed, does not start, or does not stop; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A registry. ``command`` makes the argument vector from an empty directory and a port; it is up when ``ready`` is 200."""

    name: str
    command: Callable[[Path, int], list[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: str = "/v2/"


@dataclass(frozen=True, slots=True)
class Running:
    """A subject that answers."""

    subject: Subject
    endpoint: Endpoint
    pid: int


def holdfast_subject(sections: Mapping[str, object] = MappingProxyType({})) -> Subject:
    """``sections`` are added to its configuration."""

    def command(directory: Path, port: int) -> list[str]:
        config = directory / "config.json"
        record = {
            "distSpecVersion": "1.1.1",
            "storage": {"rootDirectory": str(directory / "data")},
            "http": {"address": "127.0.0.1", "port": str(port)},
            **sections,
        }
        config.write_text(json.dumps(record), encoding="utf-8")
        return [sys.executable, "-m", "holdfast.cli", "serve", str(config)]

    return Subject(HOLDFAST, command, ready="/readyz")


def debian_subject() -> Subject:
    """Debian's package, 2.8.2.

    Raises:
        SubjectError: it is not installed.
    """
    program = shutil.which("docker-registry")
    if program is None:
        raise SubjectError("docker-registry is not installed; on Debian: apt-get install docker-registry")
    return Subject(DEBIAN, lambda directory, port: [program, "serve", _peer_config(directory, port)])


def distribution_subject(sections: Mapping[str, object] = MappingProxyType({})) -> Subject:
    """distribution 3 as Go's tool builds it, kept in the user's cache. ``sections`` are added to its configuration.

    Raises:
        SubjectError: neither built before nor a Go toolchain to build it, or the build failed.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "holdfast" / "go-bin" / DISTRIBUTION_VERSION
    program = place / "registry"
    if not program.exists():
        _go_install(place)
    # Without this every request tries to export a trace to a collector that is not there.
    quiet = {"OTEL_TRACES_EXPORTER": "none"}
    return Subject(
        DISTRIBUTION, lambda directory, port: [str(program), "serve", _peer_config(directory, port, sections)], quiet
    )


def _go_install(place: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise SubjectError("distribution 3 is not built and Go is not on PATH; install Go 1.25 or newer")
    print(f"building {_DISTRIBUTION_MODULE}", file=sys.stderr)
    place.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [go, "install", _DISTRIBUTION_MODULE],
        env=os.environ | {"GOBIN": str(place)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SubjectError(f"go install of distribution 3 failed: {done.stderr.strip()[-400:]}")


def _peer_config(directory: Path, port: int, sections: Mapping[str, object] = MappingProxyType({})) -> str:
    record = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(directory / "data")},
            "delete": {"enabled": True},
            "cache": {"blobdescriptor": "inmemory"},
        },
        "http": {"addr": f"127.0.0.1:{port}", "secret": "bench"},
        **sections,
    }
    path = directory / "config.yml"
    path.write_text(json.dumps(record), encoding="utf-8")  # JSON is YAML
    return str(path)


@contextmanager
def running(subject: Subject, directory: Path) -> Iterator[Running]:
    """Start on a new, empty directory, and stop; the directory is removed.

    Raises:
        SubjectError: it ended or did not answer in time; the end of its output is in the message.
    """
    directory.mkdir()
    port = free_port()
    log = directory / "output.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            subject.command(directory, port),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | dict(subject.environment),
            start_new_session=True,  # Ctrl-C is ours to handle: first the load ends, then the servers
        )
    try:
        endpoint = endpoints.parse(f"http://127.0.0.1:{port}")
        _wait_until_it_answers(subject, endpoint, process, log)
        yield Running(subject, endpoint, process.pid)
    finally:
        _stop(process)
        shutil.rmtree(directory, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(subject: Subject, endpoint: Endpoint, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(AnswerError), Connection(endpoint, Dialer(1.0)) as connection:
            if connection.exchange(Request("GET", subject.ready)).status == 200:
                return
        time.sleep(_POLL_SECONDS)
    tail = log.read_text(encoding="utf-8", errors="replace")[-600:]
    raise SubjectError(f"{subject.name} did not start (exit code {process.poll()}): {tail}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"process {process.pid} did not stop in {_STOP_SECONDS:g} s and was killed", file=sys.stderr)
    # Also after a clean end: a child left behind would disturb whatever is measured next.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
