"""docker, podman, containerd, skopeo and curl over TLS, on an address that none of them takes for its own machine's (U16).

Each trusts the registry by its own settings, shows a certificate by them, and has the rights of the name in it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.certificates import Authority, Files
from tests.clients import engines
from tests.clients.programs import Program, need, need_root
from tests.clients.test_docker import load, pushed_digest
from tests.serving import start, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.clients.engines import Containerd, Docker
    from tests.clients.images import Image
    from tests.serving import Server

# Documentation's own (RFC 5737): on no network, and not below 127, where docker trusts everybody.
_ADDRESS: Final = "192.0.2.1"
# Where dockerd looks, whatever its settings.
_DOCKER: Final = Path("/etc/docker/certs.d")
_RULES: Final = {
    "repositories": {
        "open/**": {"anonymousPolicy": ["read"]},
        "team/**": {"policies": [{"users": ["ann"], "actions": ["read", "create", "update"]}]},
    },
    "adminPolicy": {"users": ["root"], "actions": ["read", "create", "update", "delete"]},
}


@dataclass(frozen=True, slots=True)
class Place:
    """A network namespace with a registry in it, and directories with what clients need: to trust it, and to be somebody."""

    namespace: str
    server: Server
    authority: Authority
    clients: dict[str, Path]

    @property
    def host(self) -> str:
        return self.server.host

    def within(self, program: Program) -> Program:
        return Program(need("nsenter"), program.environment, (*_inside(self.namespace), program.path, *program.always))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    need_root()
    root = tmp_path_factory.mktemp("tls")
    authority = Authority(root / "authority")
    tls = {**authority.server(_ADDRESS).settings, "cacert": str(authority.file)}
    http = {"address": _ADDRESS, "tls": tls, "accessControl": _RULES}
    stranger = Authority(root / "strangers", "strangers").issue("stranger-ann", common_names=["ann"])
    shown = {"nobody": None, "ann": authority.issue("ann"), "root": authority.issue("root"), "stranger": stranger}
    clients = {name: _directory(root / "clients" / name, authority, files) for name, files in shown.items()}
    with _namespace() as namespace:
        inside = [need("nsenter"), *_inside(namespace)]
        server = start(root / "registry", wait=False, within=inside, http=http)
        try:
            wait_for("the registry", lambda: server.process.poll() is not None or server.told('"event": "serving"'))
            assert server.process.poll() is None, server.log.read_text()
            yield Place(namespace, server, authority, clients)
        finally:
            code = server.stop()
    assert code == 0


def _inside(namespace: str) -> tuple[str, ...]:
    return (f"--net=/run/netns/{namespace}",)


def _directory(at: Path, authority: Authority, shown: Files | None) -> Path:
    at.mkdir(parents=True)
    shutil.copy(authority.file, at / "ca.crt")
    if shown is not None:
        shutil.copy(shown.certificate, at / "client.cert")
        shutil.copy(shown.key, at / "client.key")
    return at


@contextlib.contextmanager
def _namespace() -> Iterator[str]:
    name, program = f"hftls{os.getpid()}", need("ip")
    try:
        for words in (
            ["netns", "add", name],
            ["-n", name, "link", "set", "lo", "up"],
            ["-n", name, "address", "add", f"{_ADDRESS}/32", "dev", "lo"],
        ):
            subprocess.run([program, *words], check=True, capture_output=True, timeout=30)
        yield name
    finally:
        subprocess.run([program, "netns", "del", name], check=False, capture_output=True, timeout=30)


@pytest.fixture(scope="module")
def inner_docker(place: Place) -> Iterator[Docker]:
    with engines.dockerd(place.namespace, networks=False) as engine:
        yield engine


@pytest.fixture
def known_to_docker(place: Place) -> Iterator[Callable[[str], None]]:
    """Makes this machine's dockerds trust the registry, and show somebody's certificate."""
    at = _DOCKER / place.host

    def be(name: str) -> None:
        shutil.rmtree(at, ignore_errors=True)
        shutil.copytree(place.clients[name], at)

    yield be
    shutil.rmtree(at, ignore_errors=True)


@pytest.fixture
def pushed(place: Place, skopeo: Program, image: Callable[..., Image]) -> Callable[[str], Image]:
    """Puts an image of its own there, as the admin."""

    def push(repo: str) -> Image:
        made = image(layers=2)
        place.within(skopeo)(
            "copy", "--dest-cert-dir", str(place.clients["root"]), made.oci, f"docker://{place.host}/{repo}:v1"
        )
        return made

    return push


def test_docker_trusts_by_certs_d_and_is_who_its_certificate_names(
    place: Place,
    inner_docker: Docker,
    known_to_docker: Callable[[str], None],
    pushed: Callable[[str], Image],
    skopeo: Program,
    image: Callable[..., Image],
) -> None:
    pushed("open/docker")
    refused = inner_docker.call.try_("pull", f"{place.host}/open/docker:v1")
    assert refused.code != 0
    assert "unknown authority" in refused.err
    known_to_docker("nobody")
    inner_docker.call("pull", f"{place.host}/open/docker:v1")
    name = load(skopeo, inner_docker, image(layers=2), f"{place.host}/team/docker:v1")
    assert inner_docker.call.try_("push", name).code != 0
    known_to_docker("ann")
    digest = pushed_digest(inner_docker.call("push", name))
    inner_docker.forget(name)
    assert f"Digest: {digest}" in inner_docker.call("pull", name)
    inner_docker.call("tag", name, f"{place.host}/open/mine:v1")
    denied = inner_docker.call.try_("push", f"{place.host}/open/mine:v1")
    assert denied.code != 0
    assert "denied" in denied.err
    known_to_docker("stranger")
    assert "remote error: tls" in inner_docker.call.try_("pull", name).err


def test_podman_pushes_and_pulls_with_its_own_directory_of_certificates(
    place: Place, image: Callable[..., Image]
) -> None:
    with engines.containers("nowhere.example") as containers:
        podman, name = place.within(containers.podman), f"{place.host}/team/podman:v1"
        local = podman("pull", image().oci).split()[-1]
        for nobody in ("nobody", "stranger"):
            words = ("--cert-dir", str(place.clients[nobody]), local, f"docker://{name}")
            assert podman.try_("push", *words).code != 0
        podman("push", "--cert-dir", str(place.clients["ann"]), local, f"docker://{name}")
        podman("rmi", "--all", "--force")
        assert podman.try_("pull", name).code != 0
        podman("pull", "--cert-dir", str(place.clients["ann"]), name)


def test_containerd_pulls_and_pushes_by_its_hosts_file(
    place: Place, containerd: Containerd, pushed: Callable[[str], Image]
) -> None:
    made = pushed("team/containerd")
    ctr, name = place.within(containerd.ctr), f"{place.host}/team/containerd:v1"
    directory = containerd.hosts / place.host
    directory.mkdir(parents=True)

    def be(who: str) -> None:
        at = place.clients[who]
        pair = f'client = [["{at / "client.cert"}", "{at / "client.key"}"]]\n' if who != "nobody" else ""
        (directory / "hosts.toml").write_text(
            f'server = "https://{place.host}"\n[host."https://{place.host}"]\nca = "{at / "ca.crt"}"\n{pair}'
        )

    hosts = ("--hosts-dir", str(containerd.hosts))
    for who in ("nobody", "stranger"):
        be(who)
        assert ctr.try_("images", "pull", *hosts, name).code != 0
    be("ann")
    ctr("images", "pull", *hosts, name)
    assert made.digest in ctr("images", "ls", f"name=={name}")
    ctr("images", "tag", name, f"{place.host}/team/again:v1")
    ctr("images", "push", *hosts, f"{place.host}/team/again:v1")


def test_skopeo_copies_and_curl_asks_with_a_certificate_and_without(
    place: Place, skopeo: Program, image: Callable[..., Image], pushed: Callable[[str], Image], tmp_path: Path
) -> None:
    made, inner = pushed("team/skopeo"), place.within(skopeo)
    source = f"docker://{place.host}/team/skopeo:v1"
    inner("copy", "--src-cert-dir", str(place.clients["ann"]), source, f"oci:{tmp_path / 'copy'}:v1")
    for who in ("nobody", "stranger"):
        assert inner.try_("inspect", "--cert-dir", str(place.clients[who]), source).code != 0

    curl = place.within(
        Program(need("curl"), {"HOME": str(tmp_path)}, ("--silent", "--show-error", "--max-time", "60"))
    )
    blob = f"https://{place.host}/v2/team/skopeo/blobs/{made.layers[0].digest}"

    def ask(who: str, *words: str) -> str:
        at = place.clients[who]
        shown = ("--cert", str(at / "client.cert"), "--key", str(at / "client.key")) if who != "nobody" else ()
        done = curl.try_(
            "--cacert", str(at / "ca.crt"), *shown, "--write-out", "%{http_code}", "--output", os.devnull, *words
        )
        return done.out if done.code == 0 else "refused"

    assert ask("ann", "--range", "0-9", blob) == "206"
    assert ask("ann", "--head", "--tlsv1.2", "--tls-max", "1.2", blob) == "200"
    assert ask("nobody", blob) == "401"
    assert ask("root", f"https://{place.host}/v2/_catalog") == "200"
    assert ask("stranger", blob) == "refused"
    assert ask("ann", "--http2", blob) == "200"
