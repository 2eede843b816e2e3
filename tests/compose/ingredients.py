"""What the image of the cluster is made of where there is no registry to pull from: a Debian, and wheels.

Promises: both are made once and kept in the user's cache directory, under names that change with what is in them. The Debian holds
Python, etcd and HAProxy, so that one image stands for the three that the compose file names.
Never: a fetch by other means than debootstrap and pip, each as this machine has them set up.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Final

from tests.clients.install import cache_directory
from tests.clients.programs import lacking, need, need_root

ROOT: Final = Path(__file__).parents[2]
SUITE: Final = "bookworm"
# The wheels are for the Python of this suite, whichever runs the tests.
PYTHON: Final = "3.11"
PACKAGES: Final = ("python3", "python3-venv", "etcd-server", "etcd-client", "haproxy")
_DEBOOTSTRAP_SECONDS: Final = 900.0
_PIP_SECONDS: Final = 600.0
# What the Dockerfile may see, and what the compose file mounts.
_SOURCES: Final = ("holdfast", "gateway", "storagenode", "syncworker", "compose")
_FILES: Final = ("pyproject.toml", "README.md", "LICENSE", ".dockerignore")


def debian() -> Path:
    """A tar file with the root of a small Debian."""
    words = ("--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE)
    tar = _kept("debian", *words).with_suffix(".tar")
    if not tar.exists():
        need_root()
        program = need("debootstrap")
        with tempfile.TemporaryDirectory(prefix="hf-debian-") as made:
            root = Path(made, "root")
            _call([program, *words[:2], SUITE, str(root)], _DEBOOTSTRAP_SECONDS)
            for downloaded in (root / "var/cache/apt/archives", root / "var/lib/apt/lists"):
                shutil.rmtree(downloaded)
                downloaded.mkdir()
            fresh = tar.with_suffix(f".{os.getpid()}")
            _call([need("tar"), "-C", str(root), "-cf", str(fresh), "."], _PIP_SECONDS)
            fresh.replace(tar)
    return tar


def wheels() -> Path:
    """A directory with all that pip installs into the image, but for the project itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    directory = _kept("wheels", *sorted(wanted), PYTHON)
    if not directory.exists():
        fresh = Path(tempfile.mkdtemp(prefix="fresh-", dir=directory.parent))
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(fresh)]
        _call([*pip, "--only-binary=:all:", f"--python-version={PYTHON}", *wanted], _PIP_SECONDS)
        fresh.rename(directory)
    return directory


def context(at: Path) -> Path:
    """A build context below ``at``: this tree as it is, with the wheels in it. The compose file, which lies in it."""
    for name in _SOURCES:
        shutil.copytree(ROOT / name, at / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _FILES:
        shutil.copy(ROOT / name, at / name)
    shutil.copytree(wheels(), at / "wheels")
    return at / "compose" / "compose.yaml"


def _kept(kind: str, *what: str) -> Path:
    directory = cache_directory().parent / "compose"
    directory.mkdir(parents=True, exist_ok=True)
    return directory / f"{kind}-{hashlib.sha256(' '.join(what).encode()).hexdigest()[:12]}"


def _call(words: list[str], seconds: float) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=seconds)
    if done.returncode:
        lacking(f"{' '.join(words[:3])} ... failed: {(done.stderr or done.stdout).strip()[-600:]}")
