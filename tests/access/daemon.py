"""A server of somebody else's that a test starts, stops, starts again on what it had, and freezes."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.serving import free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Daemon:
    """``root`` is its own. It listens on ``port``, and with TLS on ``tls_port``."""

    root: Path
    port: int = field(default_factory=free_port)
    tls_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        """Writes what has to be there before it is started."""

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        log = self.root / "daemon.out"
        with log.open("ab") as out:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=out, stderr=out)

        def is_up() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, log.read_text()[-2000:]
            return self.answers()

        wait_for(f"{type(self).__name__} to answer", is_up)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes connections and says nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)
