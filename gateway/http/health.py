"""``/livez``, ``/readyz`` and ``/startupz`` on their ordinary way. The worker answers them itself when no thread is free."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from falcon import Request, Response

    from gateway.health import Health


class HealthResource:
    """GET and HEAD, for anybody."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def on_get(self, req: Request, resp: Response) -> None:
        well, body = self._health.answer(req.path)
        resp.status = "200 OK" if well else "503 Service Unavailable"
        resp.content_type = "application/json"
        resp.data = body

    on_head = on_get
