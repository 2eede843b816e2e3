"""The compose cluster, up: real images, a dockerd of its own in a network namespace of its own.

Promises: the compose file, the Dockerfile and the configurations are the shipped ones, unchanged; what differs is told by the
variables that env.sample names. Everything is gone afterwards, the namespace with all addresses and packet filter rules included.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.clients import engines
from tests.clients.programs import Done, Program, need, need_root
from tests.compose import ingredients
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST: Final = "127.0.0.1:5000"
STORES: Final = ("store-a1", "store-a2", "store-b1", "store-b2")
GATEWAYS: Final = ("gateway-1", "gateway-2")
_BASE: Final = "holdfast-test-base:1"
_BUILD_SECONDS: Final = 300.0
_START_SECONDS: Final = 150.0
_CHANGE_SECONDS: Final = 150.0
_DEMO_SECONDS: Final = 400.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """Services go by the names that they have in the compose file."""

    namespace: str
    docker: engines.Docker
    compose: Program
    file: Path

    def within(self, program: Program) -> Program:
        """The program, with the cluster's loopback for its own."""
        always = (f"--net=/run/netns/{self.namespace}", program.path, *program.always)
        return Program(need("nsenter"), program.environment, always)

    def container(self, service: str) -> str:
        return self.compose("ps", "--quiet", service).strip()

    def inside(self, service: str, *words: str, seconds: float = _CHANGE_SECONDS) -> Done:
        """Run a command in the container of a service."""
        return self.docker.call.try_("exec", self.container(service), *words, seconds=seconds)

    def holdfast(self, *words: str, at: str = GATEWAYS[1]) -> Any:
        """What a command of ours says, as JSON."""
        done = self.inside(at, "holdfast", *words, "--json")
        assert done.code == 0, done.text
        return json.loads(done.out)

    def needs_nothing(self, at: str = GATEWAYS[1]) -> bool:
        """What ``holdfast status`` says by its exit code; while something needs attention it is 1."""
        done = self.inside(at, "holdfast", "status", "--json")
        assert done.code in {0, 1}, done.text
        return done.code == 0

    def demo(self, step: str) -> str:
        """Run a step of the demo as make does; what it told."""
        script, compose = self.file.parent / "demo.py", self.compose
        program = self.within(Program(sys.executable, compose.environment))
        return program(str(script), step, "--compose", compose.path, seconds=_DEMO_SECONDS)

    def kill(self, service: str) -> None:
        self.docker.call("kill", "--signal=KILL", self.container(service))

    def start(self, service: str) -> None:
        """Start it again, and wait until it is well."""
        self.docker.call("start", self.container(service))
        wait_for(f"{service} to be well", lambda: self.is_well(service), _START_SECONDS)

    def is_well(self, service: str) -> bool:
        return self.look(service)["State"].get("Health", {}).get("Status") == "healthy"

    def look(self, service: str) -> Any:
        return json.loads(self.docker.call("inspect", self.container(service)))[0]

    def wait_until_well(self) -> None:
        """All gateways and nodes are well, and the layout is one that all nodes have synced with."""
        for service in (*STORES, *GATEWAYS, "balancer"):
            wait_for(f"{service} to be well", lambda service=service: self.is_well(service), _START_SECONDS)

    def nodes(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.holdfast("node", "ls")
        return listed


@contextlib.contextmanager
def running(at: Path) -> Iterator[Cluster]:
    """The cluster, well, its files below ``at``."""
    need_root()
    program = need("docker-compose")
    debian = ingredients.debian()
    file = ingredients.context(at)
    with _namespace() as namespace, engines.dockerd(namespace) as docker:
        docker.call("import", str(debian), _BASE)
        settings = dict(docker.call.environment) | {
            "COMPOSE_PROJECT_NAME": "holdfast",
            # The engine's own builder: the command-line program in PATH may be another than the one that belongs to it.
            "COMPOSE_DOCKER_CLI_BUILD": "0",
            "HOLDFAST_BASE": _BASE,
            "ETCD_IMAGE": _BASE,
            "HAPROXY_IMAGE": _BASE,
            "HOLDFAST_PORT": HOST,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": "/src/wheels",
        }
        compose = Program(program, settings, ("--file", str(file)))
        compose("build", seconds=_BUILD_SECONDS)
        cluster = Cluster(namespace, docker, compose, file)
        try:
            compose("up", "--detach", seconds=_START_SECONDS)
            cluster.wait_until_well()
            yield cluster
        finally:
            # Kept with the files when a test failed.
            (at / "log").write_text(compose.try_("logs", "--no-color", "--timestamps").text, encoding="utf-8")
            compose.try_("down", "--volumes", "--timeout=1", seconds=_START_SECONDS)


@contextlib.contextmanager
def _namespace() -> Iterator[str]:
    name, program = f"hf{os.getpid()}", need("ip")
    for words in (["netns", "add", name], ["-n", name, "link", "set", "lo", "up"]):
        subprocess.run([program, *words], check=True, capture_output=True, timeout=30)
    try:
        yield name
    finally:
        subprocess.run([program, "netns", "del", name], check=False, capture_output=True, timeout=30)
