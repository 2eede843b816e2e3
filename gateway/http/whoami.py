"""``/_holdfast/whoami``: whom the registry takes a request for, and what that one may in repositories that it names itself.

    GET ?repository=team/app&repository=…    {"user", "by", "account", "groups", "limited", "repositories": [{"name", "may"}]}

Promises: says nothing of anybody else, and nothing of what is stored: a repository that is not there is answered as any other.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from gateway.http.credentials import facts_of
from holdfast import names
from holdfast.access.actions import Action
from holdfast.errors import RequestInvalidError

if TYPE_CHECKING:
    from falcon import Request, Response

    from gateway.access.gate import Gate
    from holdfast.clock import Clock

_MOST: Final = 100
_ASKED: Final = (Action.READ, Action.CREATE, Action.UPDATE, Action.DELETE)


class WhoAmIResource:
    """Raises the errors of :mod:`gateway.access.gate`, NameInvalidError, RequestInvalidError."""

    def __init__(self, gate: Gate, clock: Clock) -> None:
        self._gate = gate
        self._clock = clock

    def on_get(self, req: Request, resp: Response) -> None:
        caller = self._gate.who(req.get_header("Authorization"), facts_of(req, self._clock))
        req.context.caller = caller
        wanted = req.get_param_as_list("repository") or []
        if len(wanted) > _MOST:
            raise RequestInvalidError(f"at most {_MOST} repositories at a time")
        may = [
            {"name": name, "may": [action.value for action in _ASKED if self._gate.may(caller, action, name)]}
            for name in map(names.repository, wanted)
        ]
        answer = {
            "user": caller.identity.name,
            "by": caller.identity.way.value,
            "account": caller.proven.account,
            "groups": sorted(self._gate.groups_of(caller)),
            "limited": bool(caller.proven.limits),
            "repositories": may,
        }
        resp.set_header("Cache-Control", "no-store")
        resp.content_type = "application/json"
        resp.data = json.dumps(answer).encode()
