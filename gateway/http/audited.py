"""Which requests are in the audit log: those that change something, those that were refused to who asked, and logins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.access.gate import Caller
from holdfast.access.conditions import Facts

if TYPE_CHECKING:
    from falcon import Request, Response

    from gateway.access.audit import AuditLog

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Audited:
    """Falcon middleware. Who answers leaves in the request's context who asked, what about, and why it was refused."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    def process_response(self, req: Request, resp: Response, _resource: object, _succeeded: bool) -> None:
        context = req.context
        if req.method in _READS and not (getattr(context, "is_refusal", False) or getattr(context, "is_noted", False)):
            return
        # Whoever was refused before it was known who that is comes from somewhere all the same.
        caller = getattr(req.context, "caller", None) or Caller(facts=Facts(client_address=req.remote_addr or ""))
        reason = getattr(req.context, "reason", "")
        about = getattr(req.context, "about", "")
        self._audit.note(caller, req.method, req.path, str(resp.status)[:3], reason, about)
