"""Installs the programs that the tests drive: Debian packages, and programs of Go and of Node at pinned versions.

Promises: standard library only, so the system's Python runs it before any environment exists; where everything is there it
returns at once; what it may not or cannot install it names in one line, with the remedy. Then the tests that need it skip
outside CI and fail in CI (see programs.py), so it exits with 0 unless CI is set.
Never: downloads of ready-made binaries, changes outside of apt and the user's cache directory.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# What each package brings that the tests call, or that another of them calls.
PACKAGES: Final = (
    "podman",
    "skopeo",
    "buildah",
    "docker.io",
    "containerd",
    "docker-registry",
    "apache2-utils",
    "umoci",
    "nginx-light",
    "haproxy",
    "openssl",
    "etcd-server",
    "etcd-client",
    "iproute2",
    "iptables",
    "crun",
    "runc",
    "netavark",
    "aardvark-dns",
    "containernetworking-plugins",
    "busybox-static",
    "uidmap",
    "catatonit",
    "wrk",
    "debootstrap",
    "docker-compose",
    "strace",
    "zstd",
    "slapd",
    "ldap-utils",
    "redis-server",
    "chromium",
    "curl",
    "prometheus",
)
_APT_SECONDS: Final = 900.0
# helm is the largest: several minutes with two cores and an empty build cache.
_BUILD_SECONDS: Final = 1800.0
_FETCH_SECONDS: Final = 900.0


class InstallError(Exception):
    """Something is missing and could not be installed; the message tells the remedy."""


@dataclass(frozen=True, slots=True)
class GoProgram:
    """A program that Go's own tool builds: the last element of ``package`` is its name."""

    package: str
    version: str
    # Modules with replace directives cannot be installed from outside any module.
    inside_module: bool = False

    @property
    def name(self) -> str:
        return self.package.rsplit("/", 1)[-1]

    @property
    def directory(self) -> Path:
        """One directory a version, so that a raised pin is a rebuild and nothing else is."""
        return cache_directory() / self.version

    @property
    def path(self) -> Path:
        return self.directory / self.name


GO_PROGRAMS: Final = (
    GoProgram("github.com/google/go-containerregistry/cmd/crane", "v0.22.1"),
    GoProgram("github.com/regclient/regclient/cmd/regctl", "v0.11.7"),
    GoProgram("oras.land/oras/cmd/oras", "v1.3.2", inside_module=True),
    GoProgram("github.com/distribution/distribution/v3/cmd/registry", "v3.1.1"),
    GoProgram("helm.sh/helm/v3/cmd/helm", "v3.22.0"),
    GoProgram("github.com/versity/versitygw/cmd/versitygw", "v1.8.0"),
)


@dataclass(frozen=True, slots=True)
class NodeProgram:
    """A package for Node with all that it needs; ``script`` is what Node runs, below the package."""

    package: str
    version: str
    script: str

    @property
    def directory(self) -> Path:
        return cache_directory().parent / "node" / f"{self.package}-{self.version}"

    @property
    def path(self) -> Path:
        return self.directory / "node_modules" / self.package / self.script


AZURITE: Final = NodeProgram("azurite", "3.37.0", "dist/src/blob/main.js")


def cache_directory() -> Path:
    """Where built programs are kept between runs."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "holdfast" / "go-bin"


def main() -> int:
    faults = []
    for step in (install_packages, install_go_programs, install_node_programs):
        try:
            step()
        except InstallError as error:
            faults.append(str(error))
            print(f"{Path(__file__).name}: {error}", file=sys.stderr)
    return 1 if faults and os.environ.get("CI") == "true" else 0


def install_packages() -> None:
    """Install the Debian packages that are missing.

    Raises:
        InstallError: not a Debian, not root, or apt-get failed.
    """
    missing = missing_packages()
    if not missing:
        return
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise InstallError(f"client programs are missing, their tests will be skipped; as root: {' '.join(command)}")
    print(f"installing {' '.join(missing)}", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (["apt-get", "update"], command):
        _call(words, environment, None, _APT_SECONDS)


def missing_packages() -> list[str]:
    """The packages that dpkg does not know as installed; all of them where there is no dpkg."""
    if shutil.which("dpkg-query") is None:
        return list(PACKAGES)
    words = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *PACKAGES]
    listed = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    installed = {line.split()[0] for line in listed.splitlines() if line.endswith(" installed")}
    return [package for package in PACKAGES if package not in installed]


def install_go_programs() -> None:
    """Build the Go programs that are missing.

    Raises:
        InstallError: no Go toolchain, or a build failed; the others were tried nevertheless.
    """
    missing = [program for program in GO_PROGRAMS if not program.path.exists()]
    if not missing:
        return
    if shutil.which("go") is None:
        names = ", ".join(program.name for program in missing)
        raise InstallError(f"no Go toolchain on PATH, the tests of {names} will be skipped; install Go 1.25 or newer")
    faults = []
    for program in missing:
        print(f"building {program.package}@{program.version}", flush=True)
        try:
            build(program)
        except InstallError as error:
            faults.append(str(error))
    if faults:
        raise InstallError("; ".join(faults))


def build(program: GoProgram) -> None:
    """Build one program into the cache.

    Raises:
        InstallError: the cache cannot be written, or the toolchain failed; its last words are in the message.
    """
    try:
        program.directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InstallError(
            f"{program.directory} cannot be made ({error.strerror}); set XDG_CACHE_HOME to a place that can be written"
        ) from error
    environment = os.environ | {"GOBIN": str(program.directory)}
    target = f"{program.package}@{program.version}"
    if not program.inside_module:
        _call(["go", "install", target], environment, None, _BUILD_SECONDS)
        return
    with tempfile.TemporaryDirectory(prefix="holdfast-go-") as module:
        _call(["go", "mod", "init", "clients"], environment, module, _BUILD_SECONDS)
        _call(["go", "get", target], environment, module, _BUILD_SECONDS)
        _call(["go", "install", program.package], environment, module, _BUILD_SECONDS)


def install_node_programs() -> None:
    """Fetch the Node programs that are missing.

    Raises:
        InstallError: no npm, or it failed; its last words are in the message.
    """
    if AZURITE.path.exists():
        return
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise InstallError(f"no npm on PATH, the tests of {AZURITE.package} will be skipped; install Node 20 or newer")
    print(f"fetching {AZURITE.package}@{AZURITE.version}", flush=True)
    AZURITE.directory.parent.mkdir(parents=True, exist_ok=True)
    # Under its name only when it is complete.
    with tempfile.TemporaryDirectory(prefix="new-", dir=AZURITE.directory.parent) as made:
        words = ["npm", "install", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--prefix", made]
        _call([*words, f"{AZURITE.package}@{AZURITE.version}"], dict(os.environ), made, _FETCH_SECONDS)
        shutil.rmtree(AZURITE.directory, ignore_errors=True)
        AZURITE.directory.mkdir()
        Path(made, "node_modules").rename(AZURITE.directory / "node_modules")


def _call(words: list[str], environment: dict[str, str], directory: str | None, seconds: float) -> None:
    try:
        done = subprocess.run(
            words, env=environment, cwd=directory, capture_output=True, text=True, check=False, timeout=seconds
        )
    except subprocess.TimeoutExpired as error:
        raise InstallError(f"{' '.join(words)} took longer than {seconds:g} s; try it by hand") from error
    if done.returncode:
        raise InstallError(f"{' '.join(words)} failed: {done.stderr.strip()[-400:]}")


if __name__ == "__main__":
    sys.exit(main())
