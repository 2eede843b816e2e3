"""Child processes under supervision: started, watched, restarted with backoff, stopped in order.

Decisions are made in :class:`Backoff` and :class:`Child` without waiting for anything; :class:`Supervisor` waits, for children
that end and for signals, and does what they say. No process is ever found by name: only what was started here is signalled.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.clock import Clock

log = logging.getLogger("holdfast.serve")

# sysexits.h EX_CONFIG: the child said that starting it again cannot help.
EXIT_CONFIG: Final = 78
_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 15.0
# A child that ran this long was well; its next death starts the backoff from the beginning.
_HEALTHY_SECONDS: Final = 30.0


@dataclass(slots=True)
class Backoff:
    """How long to wait before the next start: doubled with each early death."""

    pause_seconds: float = _FIRST_PAUSE_SECONDS

    def after(self, lived_seconds: float) -> float:
        """The pause after a life of that length."""
        if lived_seconds >= _HEALTHY_SECONDS:
            self.pause_seconds = _FIRST_PAUSE_SECONDS
        pause = self.pause_seconds
        self.pause_seconds = min(_LONGEST_PAUSE_SECONDS, pause * 2)
        return pause


@dataclass(slots=True)
class Child:
    """One process. ``command`` is what follows the interpreter; ``drain_seconds`` is how long SIGTERM may take."""

    name: str
    command: Sequence[str]
    drain_seconds: float
    process: subprocess.Popen[bytes] | None = None
    descriptor: int = -1
    started_seconds: float = 0.0
    due_seconds: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)

    def start(self, parent_pipe: int, now: float) -> None:
        """Start it; the pipe tells it when we are gone."""
        command = [sys.executable, *self.command, "--parent-pipe", str(parent_pipe)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[parent_pipe])  # noqa: S603 - our own modules
        self.descriptor = os.pidfd_open(self.process.pid)
        self.started_seconds = now
        log.info("started", extra={"child": self.name, "pid": self.process.pid})

    def reap(self) -> int | None:
        """The exit code once it has ended; None while it runs."""
        if self.process is None or (code := self.process.poll()) is None:
            return None
        os.close(self.descriptor)
        self.process, self.descriptor = None, -1
        return code

    def send(self, signum: int) -> None:
        if self.process is not None:
            self.process.send_signal(signum)


class Supervisor:
    """Runs children until told to stop. ``on_reload`` is called on SIGHUP."""

    def __init__(self, children: Sequence[Child], clock: Clock, on_reload: Callable[[], None]) -> None:
        self._children = children
        self._clock = clock
        self._on_reload = on_reload
        self._read_end, self._write_end = os.pipe()  # children read from it, nobody writes

    def run(self, on_start: Callable[[], None]) -> int:
        """Start everything and stay until SIGTERM or SIGINT; the exit code."""
        with Signals(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as told:
            for child in self._children:
                child.start(self._read_end, self._clock.monotonic())
            on_start()
            code = self._watch(told)
            self._stop()
        return code

    def _watch(self, told: Signals) -> int:
        while True:
            self._wait(told, self._pause_seconds())
            for got in told.come():
                if got != signal.SIGHUP:
                    log.info("stopping", extra={"signal": got.name})
                    return 0
                self._on_reload()
            for child in self._children:
                if self._look_after(child):
                    return EXIT_CONFIG

    def _look_after(self, child: Child) -> bool:
        """Restart a child that has ended, when its pause is over. True: it cannot be helped."""
        now = self._clock.monotonic()
        if child.process is None:
            if now >= child.due_seconds:
                child.start(self._read_end, now)
            return False
        code = child.reap()
        if code is None:
            return False
        if code == EXIT_CONFIG:
            log.error("cannot run like this", extra={"child": child.name})
            return True
        pause = child.backoff.after(now - child.started_seconds)
        child.due_seconds = now + pause
        log.error("died, starting it again", extra={"child": child.name, "code": code, "pause_seconds": pause})
        return False

    def _pause_seconds(self) -> float | None:
        waiting = [c.due_seconds for c in self._children if c.process is None]
        return max(0.0, min(waiting) - self._clock.monotonic()) if waiting else None

    def _wait(self, told: Signals, timeout_seconds: float | None) -> None:
        poll = select.poll()
        poll.register(told, select.POLLIN)
        for child in self._children:
            if child.descriptor >= 0:
                poll.register(child.descriptor, select.POLLIN)
        poll.poll(None if timeout_seconds is None else int(timeout_seconds * 1000) + 1)

    def _stop(self) -> None:
        """Last started, first stopped: the edge drains while what it needs is still there."""
        for child in reversed(self._children):
            if child.process is None:
                continue
            child.send(signal.SIGTERM)
            try:
                child.process.wait(child.drain_seconds)
            except subprocess.TimeoutExpired:
                log.warning("did not stop in time, killed", extra={"child": child.name, "seconds": child.drain_seconds})
                child.send(signal.SIGKILL)
                child.process.wait()
            log.info("stopped", extra={"child": child.name, "code": child.process.returncode})
