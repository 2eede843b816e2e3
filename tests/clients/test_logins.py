"""docker, podman, containerd, skopeo, crane, helm's way of logging in: people push, and everybody pulls (U1, U15, PROTOCOL 3.3)."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from tests.access.conftest import line
from tests.clients import engines
from tests.clients.programs import Program, need
from tests.clients.test_docker import load, pushed_digest
from tests.serving import serving
from tests.sync.tokens import SERVICE, TokenService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.clients.engines import Containerd, Docker
    from tests.clients.images import Image
    from tests.serving import Server

RULES = {
    "repositories": {
        "open/**": {
            "anonymousPolicy": ["read"],
            "policies": [{"users": ["ann"], "actions": ["read", "create", "update"]}],
        },
        "team/**": {
            "policies": [
                {"users": ["ann"], "actions": ["read", "create", "update"]},
                {"users": ["bob"], "actions": ["read"]},
            ]
        },
    }
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("guarded")
    (root / "htpasswd").write_text(line("ann", "right") + line("bob", "builder"))
    http = {"auth": {"htpasswd": {"path": str(root / "htpasswd")}}, "accessControl": RULES}
    with serving(root / "registry", http=http) as server:
        yield server


@pytest.fixture
def logged_in(docker: Docker, guarded: Server) -> Iterator[Docker]:
    docker.call("login", guarded.host, "-u", "ann", "-p", "right")
    yield docker
    docker.call("logout", guarded.host)


def test_docker_login_succeeds_and_a_wrong_password_is_refused(guarded: Server, docker: Docker) -> None:
    said = docker.call("login", guarded.host, "-u", "ann", "-p", "right")
    assert "Login Succeeded" in said
    wrong = docker.call.try_("login", guarded.host, "-u", "ann", "-p", "wrong")
    assert wrong.code != 0
    assert "unauthorized" in wrong.err.lower() or "401" in wrong.err
    docker.call("logout", guarded.host)


def test_who_is_logged_in_pushes_by_docker_and_everybody_pulls_what_is_open(
    guarded: Server, logged_in: Docker, other_docker: Docker, skopeo: Program, image: Callable[..., Image]
) -> None:
    name = load(skopeo, logged_in, image(), f"{guarded.host}/open/app:v1")
    digest = pushed_digest(logged_in.call("push", name))
    assert f"Digest: {digest}" in other_docker.call("pull", name)
    private = load(skopeo, logged_in, image(), f"{guarded.host}/team/app:v1")
    logged_in.call("push", private)
    refused = other_docker.call.try_("pull", private)
    assert refused.code != 0
    assert "denied" in refused.err or "unauthorized" in refused.err
    other_docker.call("login", guarded.host, "-u", "bob", "-p", "builder")
    other_docker.call("pull", private)
    again = other_docker.call.try_("push", private)
    assert again.code != 0
    assert "denied" in again.err
    other_docker.call("logout", guarded.host)


def test_docker_mounts_from_a_repository_that_it_may_read(
    guarded: Server, logged_in: Docker, skopeo: Program, image: Callable[..., Image]
) -> None:
    name = load(skopeo, logged_in, image(layers=2), f"{guarded.host}/team/one:v1")
    logged_in.call("push", name)
    logged_in.call("tag", name, f"{guarded.host}/open/two:v1")
    assert "Mounted from team/one" in logged_in.call("push", f"{guarded.host}/open/two:v1")


def test_podman_pushes_with_a_login_and_pulls_without(guarded: Server, image: Callable[..., Image]) -> None:
    with engines.containers(guarded.host) as containers:
        made = image()
        refused = containers.skopeo.try_(
            "copy", "--dest-tls-verify=false", made.oci, f"docker://{guarded.host}/open/pod:v1"
        )
        assert refused.code != 0
        containers.podman("login", guarded.host, "-u", "ann", "-p", "right", "--tls-verify=false")
        wrong = containers.podman.try_("login", guarded.host, "-u", "ann", "-p", "wrong", "--tls-verify=false")
        assert wrong.code != 0
        containers.podman("login", guarded.host, "-u", "ann", "-p", "right", "--tls-verify=false")
        containers.podman("pull", made.oci)
        loaded = containers.podman("images", "--quiet", "--no-trunc").split()[0]
        containers.podman("push", "--tls-verify=false", loaded, f"docker://{guarded.host}/open/pod:v1")
        containers.podman("logout", guarded.host)
        containers.podman("rmi", "--all", "--force")
        containers.podman("pull", "--tls-verify=false", f"{guarded.host}/open/pod:v1")
        hidden = containers.podman.try_("pull", "--tls-verify=false", f"{guarded.host}/team/none:v1")
        assert hidden.code != 0


def test_containerd_pulls_with_and_without_a_user(
    guarded: Server, containerd: Containerd, skopeo: Program, image: Callable[..., Image]
) -> None:
    for repo in ("open/ctr", "team/ctr"):
        skopeo(
            "copy",
            "--dest-tls-verify=false",
            "--dest-creds=ann:right",
            image().oci,
            f"docker://{guarded.host}/{repo}:v1",
        )
    containerd.ctr("images", "pull", "--plain-http", f"{guarded.host}/open/ctr:v1")
    private = f"{guarded.host}/team/ctr:v1"
    assert containerd.ctr.try_("images", "pull", "--plain-http", private).code != 0
    containerd.ctr("images", "pull", "--plain-http", "--user", "bob:builder", private)
    pushed = containerd.ctr.try_(
        "images", "push", "--plain-http", "--user", "bob:builder", f"{guarded.host}/team/mine:v1", private
    )
    assert pushed.code != 0
    containerd.ctr("images", "push", "--plain-http", "--user", "ann:right", f"{guarded.host}/team/mine:v1", private)


def test_crane_regctl_oras_and_helm_log_in(
    guarded: Server, tmp_path: Path, image: Callable[..., Image], skopeo: Program
) -> None:
    skopeo(
        "copy",
        "--dest-tls-verify=false",
        "--dest-creds=ann:right",
        image().oci,
        f"docker://{guarded.host}/team/crane:v1",
    )
    crane = Program(need("crane"), {"DOCKER_CONFIG": str(tmp_path / "crane"), "HOME": str(tmp_path)})
    assert crane.try_("digest", "--insecure", f"{guarded.host}/team/crane:v1").code != 0
    crane("auth", "login", guarded.host, "-u", "bob", "-p", "builder", "--insecure")
    assert crane("digest", "--insecure", f"{guarded.host}/team/crane:v1").startswith("sha256:")
    assert json.loads(crane("manifest", "--insecure", f"{guarded.host}/team/crane:v1"))["schemaVersion"] == 2
    helm = Program(need("helm"), {"HOME": str(tmp_path), "HELM_CONFIG_HOME": str(tmp_path / "helm")})
    assert (
        "Login Succeeded"
        in helm.try_("registry", "login", guarded.host, "-u", "ann", "-p", "right", "--plain-http").err
    )


def test_docker_and_skopeo_get_tokens_of_another_service(
    docker: Docker, skopeo: Program, image: Callable[..., Image], tmp_path: Path
) -> None:
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(TokenService(tmp_path))
        bearer = {"realm": service.realm, "service": SERVICE, "cert": str(service.certificate)}
        server = stack.enter_context(serving(tmp_path / "registry", http={"auth": {"bearer": bearer}}))
        assert "Login Succeeded" in docker.call("login", server.host, "-u", "alice", "-p", "s3cret")
        stack.callback(docker.call, "logout", server.host)
        name = load(skopeo, docker, image(), f"{server.host}/private/app:v1")
        docker.call("push", name)
        docker.forget(name)
        docker.call("pull", name)
        refused = skopeo.try_("inspect", "--tls-verify=false", f"docker://{server.host}/private/app:v1")
        assert refused.code != 0
        skopeo("inspect", "--tls-verify=false", "--creds=alice:s3cret", f"docker://{server.host}/private/app:v1")
        foreign = skopeo.try_(
            "inspect", "--tls-verify=false", "--creds=alice:wrong", f"docker://{server.host}/private/app:v1"
        )
        assert foreign.code != 0
        narrow = {"Authorization": f"Bearer {service.token(['repository:private/app:pull'])}"}
        assert server.request("GET", "/v2/private/app/tags/list", None, narrow)[0] == 200
        for method, path in (
            ("DELETE", "/v2/private/app/manifests/v1"),
            ("POST", "/v2/private/app/blobs/uploads/"),
            ("GET", "/v2/private/other/tags/list"),
            ("GET", "/v2/_catalog"),
        ):
            status, headers, _ = server.request(method, path, None, narrow)
            assert status == 401
            assert 'error="insufficient_scope"' in headers["www-authenticate"]
        catalog = {"Authorization": f"Bearer {service.token(['registry:catalog:*'])}"}
        assert json.loads(server.request("GET", "/v2/_catalog", None, catalog)[2]) == {"repositories": ["private/app"]}
        assert server.request("GET", "/v2/", None, {"Authorization": "Basic YWxpY2U6czNjcmV0"})[0] == 401
        assert server.request("GET", "/v2/", None, {"Authorization": "Bearer x"})[0] == 401
