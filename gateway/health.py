"""Health as probes ask for it: alive, ready, started. Answered from a flag, never by asking anybody while the probe waits.

A thread of its own asks the metadata store and the nodes once a second, so that an answer is at most that old and costs nothing.
"""

from __future__ import annotations

import itertools
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
# Until all has been well once, for so many times: a start is over in moments, and somebody waits for it.
_EAGER_PERIOD_SECONDS: Final = 0.05
_EAGER_TIMES: Final = 200


def _anybody() -> None:
    """Nothing has to be waited for."""


class Health:
    """``checks``: what must work for this gateway to be ready, by name; a check raises a HoldfastError when it does not.

    ``admit`` raises one while no client can be served at all; the checks are not asked before.
    """

    def __init__(self, checks: Mapping[str, Callable[[], object]], admit: Callable[[], None] = _anybody) -> None:
        self._checks = checks
        self.admit = admit
        self._failing: dict[str, str] = dict.fromkeys(checks, "not asked yet")
        self._started = threading.Event()
        self._stop = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="health", daemon=True).start()

    def settle(self, patience_seconds: float) -> None:
        """After ``start``: wait until all has been well once, for so long at most.

        A worker that accepts before its own channel to the node stands answers 503 while its neighbour says that it is ready.
        """
        self._started.wait(patience_seconds)

    def stop(self) -> None:
        self._stop.set()

    def answer(self, path: str) -> tuple[bool, bytes]:
        """Whether it is well, and a JSON body that says what is not."""
        if path == "/livez":
            return True, b'{"status": "alive"}\n'
        failing = {} if path == "/startupz" and self._started.is_set() else self._failing
        body = {"status": "unavailable", "failing": failing} if failing else {"status": "ok"}
        return not failing, json.dumps(body).encode() + b"\n"

    def look(self) -> None:
        """Ask once. Called by the thread, and by tests."""
        failing = _failing({"cluster": self.admit}) or _failing(self._checks)
        if set(failing) != set(self._failing):
            log.log(logging.WARNING if failing else logging.INFO, "readiness changed", extra={"failing": failing})
        self._failing = failing
        if not failing:
            self._started.set()

    def _run(self) -> None:
        for turn in itertools.count():
            self._ask()
            is_eager = turn < _EAGER_TIMES and not self._started.is_set()
            if self._stop.wait(_EAGER_PERIOD_SECONDS if is_eager else _PERIOD_SECONDS):
                return

    def _ask(self) -> None:
        try:
            self.look()
        except Exception:  # the thread must outlive any surprise, and say so
            log.exception("a health check broke")


def _failing(checks: Mapping[str, Callable[[], object]]) -> dict[str, str]:
    failing = {}
    for name, check in checks.items():
        try:
            check()
        except HoldfastError as error:
            failing[name] = error.message
    return failing
