"""Coming into a cluster: in a thread of its own, so that a gateway that is started while etcd is away says so, and does not hang.

Promises
  * Until it has arrived nothing is read or written for a client: ``require`` refuses, and says what is waited for.
  * Steps are taken in order, each again and again while what it needs does not answer, none again once it has succeeded.
  * A cluster that will never take this process (it is too old, its metadata cannot be read) is told to ``refused``, once.

Never: an answer of "not there" where nobody has been asked.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from holdfast.errors import HoldfastError, MetadataUnavailableError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger("holdfast.gateway")

_RETRY_SECONDS: Final = 1.0


class Arrival:
    """Without steps it has arrived: a registry of one machine waits for nobody. Safe for many threads."""

    def __init__(
        self,
        steps: Sequence[Callable[[], None]],
        refused: Callable[[], None],
        *,
        retry_seconds: float = _RETRY_SECONDS,
    ) -> None:
        self._steps = steps
        self._retry_seconds = retry_seconds
        self._refused = refused
        self._missing: str | None = "etcd has not answered yet" if steps else None
        self._first_try = threading.Event()
        self._stopping = threading.Event()

    @property
    def has_come(self) -> bool:
        return self._missing is None

    def begin(self, patience_seconds: float) -> None:
        """Set out, and wait until it has arrived or has tried in vain, for so long at most."""
        if self.has_come:
            return
        threading.Thread(target=self._run, name="arrival", daemon=True).start()
        self._first_try.wait(patience_seconds)

    def stop(self) -> None:
        """Nothing is tried any more; a try that is under way is not waited for."""
        self._stopping.set()

    def require(self) -> None:
        """Raises MetadataUnavailableError: it has not arrived."""
        missing = self._missing
        if missing is not None:
            raise MetadataUnavailableError(f"this gateway waits for its cluster's metadata: {missing}")

    def _run(self) -> None:
        try:
            if all(self._take(step) for step in self._steps):
                log.info("the gateway has come into its cluster")
                self._missing = None
        except HoldfastError as error:
            log.critical("the cluster does not take this gateway", extra={"reason": error.message})
            self._refused()
        except Exception:  # nobody else is there to notice that this thread has ended
            log.exception("the gateway could not come into its cluster")
            self._refused()
        finally:
            self._first_try.set()

    def _take(self, step: Callable[[], None]) -> bool:
        """False: told to stop."""
        while not self._stopping.is_set():
            try:
                step()
            except UnavailableError as error:
                log.warning("waiting for etcd", extra={"reason": error.message})
                self._missing = error.message
                self._first_try.set()
                self._stopping.wait(self._retry_seconds)
            else:
                return True
        return False
