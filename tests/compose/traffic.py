"""Clients that push and pull all the time, and a record of what they saw.

Promises: every operation is a real client's. One that fails is tried again, as a person or a CI job would, and counted; what a
second retry does not cure is an error. What was acknowledged is remembered, to be asked for at the end.
"""

from __future__ import annotations

import itertools
import shutil
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.clients import images
from tests.clients.images import Shape

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from tests.clients.programs import Program

_TRIES: Final = 3


@dataclass
class Traffic:
    """One thread. ``skopeo`` reaches the registry at ``host``; images are made below ``at``."""

    skopeo: Program
    host: str
    at: Path
    pushed: list[int] = field(default_factory=list)
    operations: int = 0
    retries: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def _run(self) -> None:
        for number in itertools.count():
            if self._enough.is_set():
                return
            shape = Shape(f"traffic-{number}", layers=3, layer_bytes=1 << 20)
            image = images.write(self.at / f"pushed-{number}", shape)
            if self._try("push", image.oci, self.name(number), "--dest-tls-verify=false"):
                self.pushed.append(number)
                self.pull(number)
                self.pull(self.pushed[len(self.pushed) // 2])
            shutil.rmtree(image.layout)

    def name(self, number: int) -> str:
        return f"docker://{self.host}/traffic/image-{number}:v1"

    def pull(self, number: int) -> bool:
        """Pull one that was acknowledged, whole: the client compares every digest."""
        target = self.at / "pulled"
        done = self._try("pull", self.name(number), f"dir:{target}", "--src-tls-verify=false")
        shutil.rmtree(target, ignore_errors=True)
        return done

    def _try(self, what: str, source: str, target: str, plain: str) -> bool:
        self.operations += 1
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(attempt)  # as clients do that try again
            done = self.skopeo.try_("copy", plain, source, target)
            if done.code == 0:
                return True
            now = time.strftime("%H:%M:%S", time.gmtime())
            (self.retries if attempt + 1 < _TRIES else self.errors).append(f"{now} {what} {target}: {done.text[-400:]}")
        return False
