"""Health as probes ask for it: alive, ready, started. Answered from a flag, never by asking anybody while the probe waits.

A thread of its own asks the metadata store and the nodes once a second, so that an answer is at most that old and costs nothing.
"""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Final

from holdfast.errors import HoldfastError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = logging.getLogger("holdfast.gateway")

PATHS: Final = ("/livez", "/readyz", "/startupz")
_PERIOD_SECONDS: Final = 1.0
_SETTLE_TRIES: Final = 200
_SETTLE_PAUSE_SECONDS: Final = 0.05


class Health:
    """``checks``: what must work for this gateway to be ready, by name; a check raises a HoldfastError when it does not."""

    def __init__(self, checks: Mapping[str, Callable[[], object]]) -> None:
        self._checks = checks
        self._failing: dict[str, str] = dict.fromkeys(checks, "not asked yet")
        self._started = False
        self._stop = threading.Event()

    def settle(self) -> None:
        """Ask until all is well, for some ten seconds at most.

        A worker that accepts before its own channel to the node stands answers 503 while its neighbour says that it is ready.
        """
        for _ in range(_SETTLE_TRIES):
            self._ask()
            if not self._failing or self._stop.wait(_SETTLE_PAUSE_SECONDS):
                return

    def start(self) -> None:
        threading.Thread(target=self._run, name="health", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def answer(self, path: str) -> tuple[bool, bytes]:
        """Whether it is well, and a JSON body that says what is not."""
        if path == "/livez":
            return True, b'{"status": "alive"}\n'
        failing = {} if path == "/startupz" and self._started else self._failing
        body = {"status": "unavailable", "failing": failing} if failing else {"status": "ok"}
        return not failing, json.dumps(body).encode() + b"\n"

    def look(self) -> None:
        """Ask once. Called by the thread, and by tests."""
        failing = {}
        for name, check in self._checks.items():
            try:
                check()
            except HoldfastError as error:
                failing[name] = error.message
        if set(failing) != set(self._failing):
            log.log(logging.WARNING if failing else logging.INFO, "readiness changed", extra={"failing": failing})
        self._failing = failing
        self._started = self._started or not failing

    def _run(self) -> None:
        while True:
            self._ask()
            if self._stop.wait(_PERIOD_SECONDS):
                return

    def _ask(self) -> None:
        try:
            self.look()
        except Exception:  # the thread must outlive any surprise, and say so
            log.exception("a health check broke")
