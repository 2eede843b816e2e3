"""Requests that come too fast are refused before anything is done about them, their credentials included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.health import PATHS

if TYPE_CHECKING:
    from falcon import Request, Response

    from gateway.rates import Rates


class Paced:
    """Falcon middleware; health probes pass, for whoever asks them would take the gateway for dead."""

    def __init__(self, rates: Rates) -> None:
        self._rates = rates

    def process_request(self, req: Request, _resp: Response) -> None:
        """Raises TooManyRequestsError."""
        if req.path not in PATHS:
            self._rates.admit(req.method, req.remote_addr or "")
