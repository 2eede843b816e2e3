"""How many blobs of one upstream come at once, so that what is small never waits for what is large.

A tag check takes a round trip and a layer takes minutes. Of the connections that ``reqConcurrent`` allows, blobs leave one to all
else; where only one is allowed, they share it.

Promises: a place is given back when its answer is closed, exactly once.

Never: hands a place to two.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from holdfast.errors import UpstreamUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncworker.upstream.exchange import Answer


class Gate:
    """``places``: blobs at once. Shared by threads."""

    def __init__(self, places: int, patience_seconds: float) -> None:
        self._places = threading.Semaphore(places)
        self._patience_seconds = patience_seconds

    def through(self, ask: Callable[[], Answer]) -> Answer:
        """An answer that holds a place until it is closed.

        Raises:
            UpstreamUnavailableError: none was free for too long. Whatever ``ask`` raises.
        """
        if not self._places.acquire(timeout=self._patience_seconds):
            raise UpstreamUnavailableError("too many blobs are being fetched from this upstream; try again")
        try:
            answer = ask()
        except BaseException:
            self._places.release()
            raise
        answer.when_closed(self._places.release)
        return answer
