"""A running server under kills: who its processes are, how one of them is killed, and how long the registry is away."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.crash.ledger import Content
from tests.crash.traffic import Http
from tests.serving import Server, start, wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROBE = Content.of(b"is the registry back?")
_AWAY_SECONDS = 60.0
_DYING_SECONDS = 10.0


def children(pid: int) -> list[int]:
    """The processes that ``pid`` has started and that live, oldest first."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return sorted((int(word) for word in text.split()), key=_age)


def _age(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


class Victims:
    """The processes of one server below ``root``, which is started again on the same port when its supervisor was killed."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self._root = root
        os.environ.update(environment)  # by a fixture that puts it back
        self.server: Server = start(root)
        self.away_seconds: dict[str, list[float]] = {}

    def pid(self, victim: str) -> int | None:
        """None: there is no such process just now."""
        supervisor = self.server.process.pid
        if victim == "supervisor":
            return supervisor
        of_supervisor = {" ".join(_command(pid).split()[1:3]): pid for pid in children(supervisor)}
        if victim == "node":
            return of_supervisor.get("-m storagenode")
        arbiter = of_supervisor.get("-m gateway")
        if victim == "arbiter":
            return arbiter
        return next(iter(children(arbiter)), None) if arbiter else None

    def kill(self, victim: str) -> int:
        """SIGKILL; the pid that died."""
        pid: int = wait_for(f"the {victim}", lambda: self.pid(victim))
        os.kill(pid, signal.SIGKILL)
        return pid

    def recover(self, what: str) -> None:
        """Until the registry takes a push again; started anew if nobody is left who would do it."""
        began = time.monotonic()
        if what in {"serve", "supervisor"}:
            self.server.process.wait(_DYING_SECONDS)  # it has been killed, and may still be on its way
        wait_for("the registry to take a push", self._takes_a_push, _AWAY_SECONDS)
        self.away_seconds.setdefault(what, []).append(time.monotonic() - began)

    def _takes_a_push(self) -> bool:
        if self.server.process.poll() is not None:
            self.server = start(self._root, self.server.port, wait=False)
        http = Http(self.server.port)
        try:
            answer = http.ask("POST", f"/v2/crash/probe/blobs/uploads/?digest={_PROBE.digest}", _PROBE.data)
            return answer.status == 201
        finally:
            http.close()
