"""Calls of real client programs.

Promises: a program is looked up in one place, with one answer when it is missing: the test skips, and fails in CI. Each call has
a deadline, an environment that points away from the user's own settings, and an error that shows what the program said.
Never: a shell.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import pytest

from tests.clients import install
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# Debian's programs first: other builds of docker that may come earlier on PATH are not what was tried.
_PLACES: Final = "/usr/bin:/usr/sbin:/bin:/sbin"
_CALL_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 20.0
_READY_SECONDS: Final = 30.0
# What would lead a client to the settings, credentials or proxies of whoever runs the tests.
_FOREIGN: Final = (
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "CONTAINER_HOST",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
)


def need(name: str) -> str:
    """The path of a program; without it the test skips, and in CI it fails."""
    for program in install.GO_PROGRAMS:
        if program.name == name and program.path.exists():
            return str(program.path)
    found = shutil.which(name, path=f"{_PLACES}:{os.environ.get('PATH', '')}")
    return found or lacking(f"{name} is not installed; `make system` as root installs it")


def need_root() -> None:
    """Daemons and container storage want root; without it the test skips, and in CI it fails."""
    if os.geteuid() != 0:
        lacking("this client works for root only")


def lacking(reason: str) -> NoReturn:
    """End the test because of the machine: a skip for people, a failure in CI, where all must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True, slots=True)
class Done:
    """What a finished call said."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


class CallError(AssertionError):
    """A client program failed; the message holds the command and its output."""


@dataclass(frozen=True, slots=True)
class Program:
    """A client program with its settings: ``always`` are words put before those of each call."""

    path: str
    environment: Mapping[str, str] = field(default_factory=dict)
    always: tuple[str, ...] = ()

    def __call__(self, *words: str, cwd: Path | None = None, stdin: str = "", seconds: float = _CALL_SECONDS) -> str:
        """Run it; what it wrote to standard output.

        Raises:
            CallError: it failed.
        """
        return self.try_(*words, cwd=cwd, stdin=stdin, seconds=seconds, must=True).out

    def try_(
        self, *words: str, cwd: Path | None = None, stdin: str = "", seconds: float = _CALL_SECONDS, must: bool = False
    ) -> Done:
        """Run it and tell how it went, for calls that may fail or whose standard error counts.

        Raises:
            CallError: ``must`` is set and it failed.
        """
        argv = [self.path, *self.always, *words]
        done = subprocess.run(
            argv,
            env=isolated(self.environment),
            cwd=cwd,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        if must and done.returncode:
            raise CallError(
                f"{' '.join(argv)}: exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
            )
        return Done(tuple(argv), done.returncode, done.stdout, done.stderr)


def isolated(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what leads clients astray, with ``settings``."""
    kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    return kept | dict(settings)


@contextlib.contextmanager
def daemon(
    argv: list[str],
    log: Path,
    ready: Callable[[], object],
    settings: Mapping[str, str],
    seconds: float = _READY_SECONDS,
) -> Iterator[int]:
    """A background program for the length of a block: its pid. It is stopped by pid, hard if it will not go. ``seconds``: it has
    so long to become ready.

    Raises:
        CallError: it ended or was not ready in time; the end of its log is in the message.
    """
    with log.open("wb") as out:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=isolated(settings), start_new_session=True
        )
    try:
        try:
            wait_for(argv[0], lambda: process.poll() is not None or ready(), seconds)
        except AssertionError as error:
            raise CallError(f"{error}: {log.read_text(errors='replace')[-1500:]}") from error
        if process.poll() is not None:
            raise CallError(f"{argv[0]} ended with {process.returncode}: {log.read_text(errors='replace')[-1500:]}")
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def unmount_below(directory: Path) -> None:
    """Undo the mounts that a container engine left below ``directory``, innermost first."""
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    for point in sorted((p for p in points if p.startswith(f"{directory}/")), reverse=True):
        subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)


def remove(directory: Path, seconds: float = 20.0) -> None:
    """Delete a container engine's storage: engines hold on to files for a moment after their end."""
    deadline = time.monotonic() + seconds
    unmount_below(directory)
    while directory.exists() and time.monotonic() < deadline:
        shutil.rmtree(directory, ignore_errors=True)
