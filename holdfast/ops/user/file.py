"""An htpasswd file, changed.

Promises: other lines stay as they are, and so does the file's mode. The new file is there whole or not at all (written beside the
old one, fsynced, renamed), and two changes at once do not lose one of them (a lock on the directory).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from typing import TYPE_CHECKING

from holdfast.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def set_line(path: Path, user: str, hashed: str, *, is_new: bool) -> None:
    """Raises InputError: the user is there already, or is not there. OSError."""

    def changed(lines: list[str]) -> list[str]:
        there = any(_is_of(line, user) for line in lines)
        if there and is_new:
            raise InputError(f"{user} is in {path} already; `holdfast user passwd` sets another password")
        if not there and not is_new:
            raise InputError(f"{user} is not in {path}; `holdfast user add` adds one")
        return [*(line for line in lines if not _is_of(line, user)), f"{user}:{hashed}"]

    _change(path, changed)


def take_out(path: Path, user: str) -> None:
    """Raises InputError: the user is not there. OSError."""

    def changed(lines: list[str]) -> list[str]:
        left = [line for line in lines if not _is_of(line, user)]
        if len(left) == len(lines):
            raise InputError(f"{user} is not in {path}")
        return left

    _change(path, changed)


def _is_of(line: str, user: str) -> bool:
    return line.strip().partition(":")[0] == user and ":" in line


def _change(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path = path.resolve()
    with _alone(path.parent):
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
        text = "".join(f"{line}\n" for line in change(old.splitlines()))
        beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                if path.exists():
                    with contextlib.suppress(PermissionError):  # root's business alone
                        os.fchown(file.fileno(), path.stat().st_uid, path.stat().st_gid)
                os.fchmod(file.fileno(), mode)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            beside.rename(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
