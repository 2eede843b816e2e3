"""The htpasswd file, watched.

Promises
  * What is added or removed acts within about a second, without a restart.
  * Each problem of a version of the file is one log line: line, user, what is wrong, what to do; never a hash.
  * While the file cannot be read (an editor replaces it, a disk hangs) the last version holds, and the log says so once.

Never: decides whether a password is right.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from typing import TYPE_CHECKING, Final

from holdfast.access.htpasswd import MAX_BYTES, REMEDY, Users, parse
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_log: Final = logging.getLogger("holdfast.access")

_PERIOD_SECONDS: Final = 1.0


class PasswordFile:
    """Read once when made; ``start`` follows it in a thread of its own."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError: the file cannot be read."""
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._users = Users()
        self._is_lost = False
        # Held while this process is the one that tells what is wrong with this version of the file.
        self._teller: int | None = None
        self._stopping = threading.Event()
        try:
            self.look()
        except (OSError, UnicodeDecodeError) as error:
            raise _unreadable(path, error) from error

    def hash_of(self, user: str) -> str | None:
        """The hash of a user as the file has it now; it changes with the password."""
        return self._users.hashes.get(user)

    def any_hash(self) -> str | None:
        """One that stands for the others where a comparison must take its time."""
        return next(iter(self._users.hashes.values()), None)

    def start(self) -> None:
        threading.Thread(target=self._follow, name="passwords", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()

    def look(self) -> None:
        """Read the file if it has changed. Raises OSError, UnicodeDecodeError."""
        with self._path.open("rb") as file:
            state = os.fstat(file.fileno())
            stamp = (state.st_mtime_ns, state.st_size, state.st_ino)
            if stamp == self._stamp:
                return
            users = parse(file.read(MAX_BYTES).decode())
            self._stamp, self._users = stamp, users
            # A lock on the version before is in the way of the next where an editor has kept the file.
            if self._teller is not None:
                os.close(self._teller)
            self._teller = os.dup(file.fileno()) if _locked(file.fileno()) else None
        if self._teller is not None:
            self._tell(users)

    def _tell(self, users: Users) -> None:
        _log.info("read the password file", extra={"path": str(self._path), "users": len(users.hashes)})
        for problem in users.problems:
            _log.warning(
                "a line of the password file is left out",
                extra={
                    "path": str(self._path),
                    "line": problem.line,
                    "user": problem.user,
                    "reason": problem.reason,
                    "remedy": REMEDY,
                },
            )

    def _follow(self) -> None:
        while not self._stopping.wait(_PERIOD_SECONDS):
            try:
                self.look()
            except (OSError, UnicodeDecodeError) as error:
                if not self._is_lost:
                    _log.error(
                        "the password file cannot be read; its last version holds",
                        extra={"path": str(self._path), "reason": str(error)},
                    )
                self._is_lost = True
            else:
                self._is_lost = False


def _locked(descriptor: int) -> bool:
    """Whether no other process has this version locked; workers read the same file, and one of them tells of it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks: rather twice than never
    return True


def require_readable(path: Path) -> None:
    """Raises ConfigError: the file cannot be read. Tells the log nothing."""
    try:
        path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ConfigError:
    fault = {
        "path": "http.auth.htpasswd.path",
        "message": str(error),
        "remedy": "write it with `holdfast user add` or `htpasswd -B -c`, readable for the registry",
    }
    return ConfigError(f"the password file {path} cannot be read: {error}", [fault])
