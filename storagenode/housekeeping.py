"""What a node does without being asked: abandoned uploads expire, old trash is removed."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from holdfast.errors import HoldfastError

if TYPE_CHECKING:
    from collections.abc import Callable

_LOG: Final = logging.getLogger("holdfast.node")


class Housekeeping:
    """A thread that does its round every so often until it is stopped."""

    def __init__(self, round_: Callable[[], None], every_seconds: float) -> None:
        self._round = round_
        self._every_seconds = every_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Waits for the round under way."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._every_seconds):
            try:
                self._round()
            except (HoldfastError, OSError) as error:
                _LOG.warning("a round of housekeeping failed; the next one tries again", extra={"reason": str(error)})
            except Exception:  # noqa: BLE001 - the thread must outlive any surprise, and say so
                _LOG.exception("a round of housekeeping broke; the next one tries again")
