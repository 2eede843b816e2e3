"""The metrics over HTTP, for whom ``http.accessControl.metrics`` lets read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.http.credentials import facts_of
from gateway.metrics import ROUTE
from holdfast.exposition import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable

    from falcon import Request, Response

    from gateway.access.gate import Gate
    from holdfast.access.scrapers import Scrapers
    from holdfast.clock import Clock


class MetricsResource:
    """GET. ``text`` gives all of them as they stand."""

    def __init__(self, gate: Gate, scrapers: Scrapers, text: Callable[[], bytes], clock: Clock) -> None:
        self._gate = gate
        self._scrapers = scrapers
        self._text = text
        self._clock = clock

    def on_get(self, req: Request, resp: Response) -> None:
        req.env[ROUTE] = "metrics"
        caller = req.context.caller = self._gate.who(req.get_header("Authorization"), facts_of(req, self._clock))
        self._scrapers.require(caller.identity)
        self._gate.require_whole(caller)
        resp.content_type = CONTENT_TYPE
        resp.set_header("Cache-Control", "no-store")
        resp.data = self._text()
