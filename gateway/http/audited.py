"""Which requests are in the audit log: those that change something, and those that were refused to who asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.access.gate import NOBODY
from holdfast.errors import AccessError, TooManyLoginsError

if TYPE_CHECKING:
    from falcon import Request, Response

    from gateway.access.audit import AuditLog

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Audited:
    """Falcon middleware. The router leaves who asked, and what was refused, in the request's context."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    def process_response(self, req: Request, resp: Response, _resource: object, _succeeded: bool) -> None:
        refused = getattr(req.context, "refused", None)
        is_refusal = isinstance(refused, AccessError | TooManyLoginsError)
        if req.method in _READS and not is_refusal:
            return
        caller = getattr(req.context, "caller", NOBODY)
        reason = refused.message if refused is not None else ""
        self._audit.note(caller, req.method, req.path, str(resp.status)[:3], reason)
