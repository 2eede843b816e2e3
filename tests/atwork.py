"""A client that goes on doing things in a thread of its own until it is told to pause."""

from __future__ import annotations

import threading


class AtWork:
    """``step`` is one thing that it does. ``error``: what went wrong in the thread."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.error: BaseException | None = None

    def go(self) -> None:
        """Work in a thread until :meth:`pause`."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._work, name=self._name)
        self._thread.start()

    def ask_to_pause(self) -> None:
        self._stop.set()

    def pause(self) -> None:
        """Wait for the running operation; raises what went wrong in the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self.error is not None:
            raise self.error

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                self.step()
        except BaseException as error:  # noqa: BLE001 - raised in the test's thread, by pause
            self.error = error

    def step(self) -> None:
        raise NotImplementedError
