"""The files of the compose cluster, without starting it."""

from __future__ import annotations

import re
import subprocess
import tomllib
from typing import Any

import pytest
import yaml

from holdfast import config
from tests.clients.programs import Program, need
from tests.compose.ingredients import ROOT

COMPOSE = ROOT / "compose"
# They end by themselves.
ONCE = {"prepare", "layout"}
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((COMPOSE / "compose.yaml").read_text(encoding="utf-8"))["services"]
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_may_do_no_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "devices", "pid", "ipc"} & set(service)
    if name == "prepare":
        assert (service["user"], service["network_mode"]) == ("0:0", "none")
        assert service["cap_add"] == ["CHOWN", "DAC_OVERRIDE"]
    else:
        assert service["user"] == "10001:10001"
        assert "cap_add" not in service


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ONCE))
def test_a_service_is_started_again_and_looked_after(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    # Gateways have theirs from the image.
    assert ("healthcheck" in service) is not name.startswith("gateway")


def test_the_balancer_alone_is_published_and_on_loopback_alone() -> None:
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "balancer": ["${HOLDFAST_PORT:-127.0.0.1:5000}:5000"]
    }
    reached = {name for name, service in SERVICES.items() if "outside" in service.get("networks", ())}
    assert reached == {"gateway-1", "gateway-2", "worker", "balancer"}


def test_each_process_has_its_own_key_and_nobody_but_prepare_the_authority() -> None:
    seen: dict[str, list[str]] = {}
    for name, service in SERVICES.items():
        for volume in service.get("volumes", ()):
            seen.setdefault(volume.split(":")[0], []).append(name)
    assert seen["authority"] == ["prepare"]
    papers = {volume: users for volume, users in seen.items() if volume.startswith("tls-")}
    assert papers == {f"tls-{name}": ["prepare", name] for name in sorted(set(SERVICES) - {"prepare", "balancer"})}
    named = {process.partition(":")[2] for process in SERVICES["prepare"]["command"] if ":" in process}
    assert {f"tls-{name}" for name in named} == set(papers)


def test_every_variable_stands_in_the_sample_with_its_default() -> None:
    used = set(VARIABLE.findall((COMPOSE / "compose.yaml").read_text(encoding="utf-8")))
    lines = (COMPOSE / "env.sample").read_text(encoding="utf-8").splitlines()
    assert {tuple(line.split("=", 1)) for line in lines if line and not line.startswith("#")} == used


def test_the_default_base_is_the_same_in_both_places() -> None:
    (default,) = re.findall(r"^ARG BASE=(\S+)$", (COMPOSE / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert f"HOLDFAST_BASE={default}" in (COMPOSE / "env.sample").read_text(encoding="utf-8").splitlines()


def test_the_image_is_given_every_package() -> None:
    found = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"][
        "find"
    ]
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {f"!{name.rstrip('*')}" for name in found["include"]} <= set(lines)


def test_the_configuration_has_no_fault() -> None:
    report = config.check(COMPOSE / "cluster.yaml")
    assert (report.faults, report.warnings) == ((), ())
    assert report.settings is not None
    assert report.settings.cluster is not None
    assert report.settings.cluster.etcd is not None
    assert report.settings.cluster.etcd.quota == int(SERVICES["etcd-1"]["environment"]["ETCD_QUOTA_BACKEND_BYTES"])


@pytest.mark.clients
def test_compose_of_the_first_version_takes_the_file() -> None:
    words = ("--file", str(COMPOSE / "compose.yaml"), "config", "--services")
    listed = Program(need("docker-compose"), {"DOCKER_HOST": "unix:///nowhere"})(*words).split()
    assert set(listed) == set(SERVICES)


@pytest.mark.clients
def test_haproxy_takes_its_configuration() -> None:
    done = subprocess.run(
        [need("haproxy"), "-c", "-f", str(COMPOSE / "balancer.cfg")],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    # The names are those of other containers.
    warnings = [line for line in done.stderr.splitlines() if "[WARNING]" in line and "could not resolve" not in line]
    assert warnings == []
