"""docker and podman log in with a directory's users, and groups of the directory decide what they may (U17)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.access.slapd import slapd
from tests.clients import engines
from tests.clients.test_docker import load, pushed_digest
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.clients.engines import Docker
    from tests.clients.images import Image
    from tests.clients.programs import Program
    from tests.serving import Server

RULES = {
    "repositories": {
        "dev/**": {
            "policies": [
                {"groups": ["devs"], "actions": ["read", "create", "update"]},
                {"groups": ["staff"], "actions": ["read"]},
            ]
        }
    }
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("ldap")
    with slapd(root / "d") as ldap:
        http = {"auth": {"ldap": ldap.settings(startTLS=True, port=ldap.port)}, "accessControl": RULES}
        with serving(root / "registry", http=http) as server:
            yield server


def test_docker_pushes_and_podman_pulls_with_users_of_a_directory(
    registry: Server, docker: Docker, skopeo: Program, image: Callable[..., Image]
) -> None:
    wrong = docker.call.try_("login", registry.host, "-u", "alice", "-p", "bobpw")
    assert wrong.code != 0
    assert "Login Succeeded" in docker.call("login", registry.host, "-u", "alice", "-p", "alicepw")
    name = load(skopeo, docker, image(), f"{registry.host}/dev/app:v1")
    digest = pushed_digest(docker.call("push", name))
    docker.call("logout", registry.host)
    with engines.containers(registry.host) as containers:
        reference = f"{registry.host}/dev/app@{digest}"
        assert containers.podman.try_("pull", "--tls-verify=false", reference).code != 0
        containers.podman("login", registry.host, "-u", "bob", "-p", "bobpw", "--tls-verify=false")
        containers.podman("pull", "--tls-verify=false", reference)
        pulled = containers.podman("images", "--quiet", "--no-trunc").split()[0]
        refused = containers.podman.try_("push", "--tls-verify=false", pulled, f"docker://{registry.host}/dev/app:v2")
        assert refused.code != 0
