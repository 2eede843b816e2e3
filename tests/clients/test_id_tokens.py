"""docker, podman and skopeo with an ID token as the password: its claims say who that is, whatever user name is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.access.issuer import LocalIssuer
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
        "ci/**": {
            "anonymousPolicy": ["read"],
            "policies": [{"groups": ["makers"], "actions": ["read", "create", "update"]}],
        }
    }
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    with LocalIssuer() as local:
        yield local


@pytest.fixture(scope="module")
def trusting(issuer: LocalIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    mapping = {"username": "claims.sub", "groups": "claims.roles"}
    entry = {"issuer": issuer.url, "audiences": ["registry"], "certificateAuthority": issuer.authority}
    bearer = {"realm": "zot", "service": "registry", "oidc": [{**entry, "claimMapping": mapping}]}
    http = {"auth": {"bearer": bearer}, "accessControl": RULES}
    with serving(tmp_path_factory.mktemp("trusting") / "registry", http=http) as server:
        yield server


def test_docker_logs_in_with_an_id_token_and_pushes(
    trusting: Server, issuer: LocalIssuer, docker: Docker, skopeo: Program, image: Callable[..., Image]
) -> None:
    name = load(skopeo, docker, image(), f"{trusting.host}/ci/app:v1")
    assert docker.call.try_("push", name).code != 0
    stranger = issuer.token(sub="bob", roles=["readers"])
    assert "Login Succeeded" in docker.call("login", trusting.host, "-u", "ann", "-p", stranger)
    refused = docker.call.try_("push", name)
    assert (refused.code != 0, "denied" in refused.err) == (True, True)
    maker = issuer.token(sub="ann", roles=["makers"])
    docker.call("login", trusting.host, "-u", "bob", "-p", maker)
    digest = pushed_digest(docker.call("push", name))
    ended = docker.call.try_("login", trusting.host, "-u", "ann", "-p", issuer.token(roles=["makers"], exp=1))
    assert ended.code != 0
    docker.call("logout", trusting.host)
    assert f"Digest: {digest}" in docker.call("pull", name)


def test_podman_logs_in_with_an_id_token_and_pushes(
    trusting: Server, issuer: LocalIssuer, image: Callable[..., Image]
) -> None:
    with engines.containers(trusting.host) as containers:
        made, token = image(), issuer.token(roles=["makers"])
        wrong = ("login", trusting.host, "-u", "oidc", "-p", f"{token}x", "--tls-verify=false")
        assert containers.podman.try_(*wrong).code != 0
        containers.podman("login", trusting.host, "-u", "oidc", "-p", token, "--tls-verify=false")
        containers.podman("pull", made.oci)
        loaded = containers.podman("images", "--quiet", "--no-trunc").split()[0]
        containers.podman("push", "--tls-verify=false", loaded, f"docker://{trusting.host}/ci/pod:v1")
        containers.podman("logout", trusting.host)
        containers.podman("rmi", "--all", "--force")
        containers.podman("pull", "--tls-verify=false", f"{trusting.host}/ci/pod:v1")


def test_skopeo_shows_an_id_token_as_it_is(
    trusting: Server, issuer: LocalIssuer, skopeo: Program, image: Callable[..., Image]
) -> None:
    copy = ("copy", "--dest-tls-verify=false", image().oci, f"docker://{trusting.host}/ci/skopeo:v1")
    assert skopeo.try_(*copy).code != 0
    skopeo(*copy[:1], f"--dest-registry-token={issuer.token(roles=['makers'])}", *copy[1:])
