"""The audit log: every change and every refusal as one JSON line, for whoever asks later who did what.

    {"time", "user", "by", "address", "method", "path", "status", "certificate"?, "account"?, "about"?, "reason"?}

Promises: a line is written whole (one write to a file opened for appending, so that processes share it) or the log says why not;
no query, no header and nothing of a body or a password is in it.
"""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from holdfast.access.identity import Way
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.access.gate import Caller
    from holdfast.clock import Clock

_log: Final = logging.getLogger("holdfast.access")

_LONGEST: Final = 1_000


class AuditLog:
    """``path`` None: nobody keeps one."""

    def __init__(self, path: Path | None, clock: Clock) -> None:
        """Raises ConfigError: the file cannot be opened."""
        self._clock = clock
        self._descriptor: int | None = None
        if path is not None:
            try:
                self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                fault = {"path": "log.audit", "message": str(error), "remedy": "name a file that can be written"}
                raise ConfigError(f"the audit log {path} cannot be opened: {error}", [fault]) from error

    def close(self) -> None:
        """Nothing is written any more."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def note(self, caller: Caller, method: str, path: str, status: str, reason: str = "", about: str = "") -> None:
        """One line. ``path`` without its query, ``status`` as HTTP's number. ``about``: what, if the path does not say."""
        if self._descriptor is None:
            return
        line = {
            "time": datetime.fromtimestamp(self._clock.wall(), UTC).isoformat(timespec="milliseconds"),
            "user": caller.identity.name,
            "by": caller.identity.way.value,
            "address": caller.facts.client_address,
            "method": method,
            "path": path[:_LONGEST],
            "status": status,
        }
        shown = caller.facts.connection.certificate
        if shown is not None:
            line["certificate"] = shown.subject
        # Which of somebody's keys it was: a name does not tell.
        if caller.proven.account.startswith(f"{Way.API_KEY.value}:"):
            line["account"] = caller.proven.account
        if about:
            line["about"] = about[:_LONGEST]
        if reason:
            line["reason"] = reason[:_LONGEST]
        try:
            os.write(self._descriptor, json.dumps(line).encode() + b"\n")
        except OSError as error:
            _log.error("the audit log cannot be written", extra={"reason": str(error)})
