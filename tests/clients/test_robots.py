"""docker, podman and skopeo with a robot, and with an API key that is for pulling alone."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from tests.access.conftest import starting
from tests.access.guarded import Guarded, basic
from tests.clients import engines
from tests.clients.test_docker import load, pushed_digest
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.clients.engines import Docker
    from tests.clients.images import Image
    from tests.clients.programs import Done, Program


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with starting(tmp_path_factory.mktemp("robots"), {"ann": "right"}, auth={"apikey": True}) as started:
        yield started


def parts(login: dict[str, str]) -> tuple[str, str]:
    """User and secret of what a request carries."""
    user, _, secret = base64.b64decode(login["Authorization"].removeprefix("Basic ")).decode().partition(":")
    return user, secret


def is_refusal(done: Done) -> bool:
    """It failed, and for no other reason."""
    return done.code != 0 and any(word in done.err.lower() for word in ("denied", "unauthorized", "insufficient_scope"))


def test_docker_pushes_by_a_robot_and_only_pulls_by_a_key_for_pulling(
    registry: Guarded, docker: Docker, other_docker: Docker, skopeo: Program, image: Callable[..., Image]
) -> None:
    robot, secret = parts(registry.robot("team/docker", "team/**:pull,push"))
    assert "Login Succeeded" in docker.call("login", registry.host, "-u", robot, "-p", secret)
    name = load(skopeo, docker, image(), f"{registry.host}/team/app:v1")
    digest = pushed_digest(docker.call("push", name))
    docker.call("tag", name, f"{registry.host}/other/app:v1")
    beyond = docker.call.try_("push", f"{registry.host}/other/app:v1")
    assert is_refusal(beyond)
    docker.call("logout", registry.host)
    key = registry.key(basic("ann", "right"), "team/**:pull")["apiKey"]
    assert "Login Succeeded" in other_docker.call("login", registry.host, "-u", "ann", "-p", key)
    assert f"Digest: {digest}" in other_docker.call("pull", name)
    refused = other_docker.call.try_("push", name)
    other_docker.call("logout", registry.host)
    assert is_refusal(refused)
    assert registry.status("GET", "/v2/other/app/manifests/v1", basic("ann", "right")) == 404


def test_podman_pushes_by_a_robot_until_it_is_revoked(registry: Guarded, image: Callable[..., Image]) -> None:
    login = registry.robot("pods/ci", "pods/**:pull,push")
    robot, secret = parts(login)
    plain = "--tls-verify=false"
    with engines.containers(registry.host) as containers:
        containers.podman("login", registry.host, "-u", robot, "-p", secret, plain)
        containers.podman("pull", image().oci)
        loaded = containers.podman("images", "--quiet", "--no-trunc").split()[0]
        containers.podman("push", plain, loaded, f"docker://{registry.host}/pods/app:v1")
        beyond = containers.podman.try_("push", plain, loaded, f"docker://{registry.host}/team/app:v2")
        assert is_refusal(beyond)
        containers.podman("rmi", "--all", "--force")
        containers.podman("pull", plain, f"{registry.host}/pods/app:v1")
        registry.dismiss("pods/ci")
        wait_for("the robot to be gone", lambda: registry.status("GET", "/v2/", login) == 401)
        gone = containers.podman.try_("push", plain, loaded, f"docker://{registry.host}/pods/app:v2")
        assert is_refusal(gone)


def test_skopeo_copies_by_a_robot_and_reads_by_a_key(
    registry: Guarded, skopeo: Program, image: Callable[..., Image]
) -> None:
    robot, secret = parts(registry.robot("copies/ci", "copies/**:pull,push"))
    target = f"docker://{registry.host}/copies/app:v1"
    skopeo("copy", "--dest-tls-verify=false", f"--dest-creds={robot}:{secret}", image().oci, target)
    key = registry.key(basic("ann", "right"), "copies/**:pull")["apiKey"]
    skopeo("inspect", "--tls-verify=false", f"--creds=ann:{key}", target)
    assert is_refusal(skopeo.try_("copy", "--dest-tls-verify=false", f"--dest-creds=ann:{key}", image().oci, target))
