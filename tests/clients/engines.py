"""Container engines that keep to themselves: dockerd, containerd, podman with buildah and skopeo.

Promises: storage, sockets, settings and credentials of each lie below one directory of its own, and are gone afterwards. That
directory has a short name: a socket's path has 107 bytes at most, and podman waits 20 seconds for one it cannot make.
The engines get no network of their own (containers run with none), so neither bridges nor packet filter rules are made, and
several run side by side, also beside an engine that is in use on this machine. In a network namespace a dockerd has all of it.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.clients.programs import Program, daemon, need, need_root, remove

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_NETWORK: Final = (
    "--bridge=none",
    "--iptables=false",
    "--ip6tables=false",
    "--ip-forward=false",
    "--ip-masq=false",
    "--userland-proxy=false",
)


@contextlib.contextmanager
def _root() -> Iterator[Path]:
    """A directory for an engine, taken away with whatever the engine left mounted in it."""
    root = Path(tempfile.mkdtemp(prefix="hf"))
    try:
        yield root
    finally:
        remove(root)


@dataclass(frozen=True, slots=True)
class Docker:
    """A running dockerd and the client that talks to it."""

    call: Program
    socket: str

    def forget(self, *images: str) -> None:
        """Drop images and every layer that nothing else uses, so that the next pull fetches them again."""
        self.call("rmi", "--force", *images)
        self.call("system", "prune", "--all", "--force")


@contextlib.contextmanager
def dockerd(namespace: str = "", mirror: str = "", *, networks: bool = True) -> Iterator[Docker]:
    """A dockerd with overlay2 storage. ``namespace``: a network namespace in which its containers have networks, unless
    ``networks`` says no. ``mirror``: host:port of a registry that is asked before Docker Hub.
    """
    need_root()
    program, client = need("dockerd"), need("docker")
    need("containerd")
    with _root() as root:
        socket = f"unix://{root}/sock"
        # dockerd never comes up with a relative data root.
        places = ["--data-root", str(root / "data"), "--exec-root", str(root / "exec"), "--pidfile", str(root / "pid")]
        settings = {"DOCKER_HOST": socket, "DOCKER_CONFIG": str(root / "client")}
        docker = Docker(Program(client, settings), socket)
        # `ip netns exec` would hide the control groups from it.
        inside = [need("nsenter"), f"--net=/run/netns/{namespace}"] if namespace else []
        network = () if namespace and networks else _NO_NETWORK
        mirrors = [f"--registry-mirror=http://{mirror}"] if mirror else []
        argv = [*inside, program, *places, "--host", socket, "--storage-driver=overlay2", *network, *mirrors]
        with daemon(argv, root / "log", lambda: docker.call.try_("info", seconds=20).code == 0, settings):
            yield docker
            for container in docker.call("ps", "--all", "--quiet").split():
                docker.call("rm", "--force", container)


@dataclass(frozen=True, slots=True)
class Containers:
    """podman, buildah and skopeo with one storage, one set of settings, and plain HTTP allowed for one registry."""

    podman: Program
    buildah: Program
    skopeo: Program


@contextlib.contextmanager
def containers(registry: str) -> Iterator[Containers]:
    """podman and its relatives; ``registry`` (host:port) speaks plain HTTP."""
    need_root()
    with _root() as root:
        settings = _container_settings(root, registry)
        yield Containers(Program(need("podman"), settings), Program(need("buildah"), settings), skopeo(root))


def skopeo(root: Path) -> Program:
    """skopeo with its memory of what lies where below ``root``: it decides about mounts, so tests must not share it."""
    home = root / "home"
    home.mkdir(parents=True, exist_ok=True)
    (home / "auth.json").write_text("{}", encoding="utf-8")
    return Program(
        need("skopeo"),
        {
            "HOME": str(home),
            "XDG_DATA_HOME": str(home),
            "REGISTRY_AUTH_FILE": str(home / "auth.json"),
            # skopeo keeps that memory in /var/lib for user 0, and below XDG_DATA_HOME for whom it takes for somebody else.
            "_CONTAINERS_ROOTLESS_UID": "1",
        },
        ("--insecure-policy",),
    )


def _container_settings(root: Path, registry: str) -> dict[str, str]:
    home = root / "home"
    home.mkdir(parents=True, exist_ok=True)
    (home / "auth.json").write_text("{}", encoding="utf-8")
    # Limits may not be raised by everybody, and the defaults of Debian's podman do: so they are named.
    (root / "containers.conf").write_text(
        "[containers]\n"
        'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
        'netns = "none"\nlog_driver = "k8s-file"\n'
        '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        f'tmp_dir = "{root}/tmp"\n',
        encoding="utf-8",
    )
    (root / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{root}/storage"\nrunroot = "{root}/run"\n', encoding="utf-8"
    )
    (root / "registries.conf").write_text(
        f'unqualified-search-registries = []\n[[registry]]\nlocation = "{registry}"\ninsecure = true\n',
        encoding="utf-8",
    )
    return {
        "HOME": str(home),
        "CONTAINERS_CONF": str(root / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(root / "storage.conf"),
        "CONTAINERS_REGISTRIES_CONF": str(root / "registries.conf"),
        "REGISTRY_AUTH_FILE": str(home / "auth.json"),
    }


@dataclass(frozen=True, slots=True)
class Containerd:
    """A running containerd, and ctr talking to it."""

    ctr: Program
    hosts: Path

    def mirror(self, name: str, registry: str) -> None:
        """Let images of the registry ``name`` come from ``registry`` (host:port), which speaks plain HTTP."""
        directory = self.hosts / name
        directory.mkdir(parents=True)
        (directory / "hosts.toml").write_text(
            f'server = "https://{name}"\n[host."http://{registry}"]\ncapabilities = ["pull", "resolve"]\n',
            encoding="utf-8",
        )

    def forget(self, *images: str) -> None:
        """Drop images with their content, so that the next pull fetches them again."""
        self.ctr("images", "rm", "--sync", *images)
        self.ctr("content", "prune", "references")


@contextlib.contextmanager
def containerd() -> Iterator[Containerd]:
    """A containerd of its own."""
    need_root()
    program, client = need("containerd"), need("ctr")
    with _root() as root:
        socket = root / "sock"
        (root / "config.toml").write_text(
            f'version = 2\nroot = "{root}/root"\nstate = "{root}/state"\n'
            'disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.grpc.v1.cri"]\n'
            f'[grpc]\naddress = "{socket}"\n[ttrpc]\naddress = "{root}/ttrpc"\n',
            encoding="utf-8",
        )
        ctr = Program(client, {"HOME": str(root)}, ("--address", str(socket)))
        argv = [program, "--config", str(root / "config.toml")]
        with daemon(argv, root / "log", lambda: ctr.try_("version", seconds=20).code == 0, {}):
            yield Containerd(ctr, root / "hosts")


def busybox() -> Path:
    """A static program for images that are run."""
    need("busybox")
    return Path(shutil.which("busybox") or "/bin/busybox")
