"""``/auth/token``: tokens for docker, podman, containerd, crane and whoever speaks distribution's token protocol.

GET with Basic or without (for nobody in particular), POST with a form (``grant_type`` password or refresh_token). Less than
asked is no error: a token without scopes is good for ``/v2/`` and nothing else.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from gateway.access.tokens import ACCESS_SECONDS
from gateway.http.body import WireBody
from gateway.http.credentials import facts_of
from holdfast.access import scopes
from holdfast.errors import RequestInvalidError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from falcon import Request, Response

    from gateway.access.gate import Gate
    from gateway.access.tokens import Tokens
    from gateway.access.ways import Proven
    from holdfast.clock import Clock

_FORM_BYTES: Final = 64 * 1024
_FIELDS: Final = 100
_TRUE: Final = frozenset({"true", "1"})


class TokenResource:
    """Raises the errors of :mod:`gateway.access`."""

    def __init__(self, gate: Gate, tokens: Tokens, clock: Clock) -> None:
        self._gate = gate
        self._tokens = tokens
        self._clock = clock

    def on_get(self, req: Request, resp: Response) -> None:
        caller = self._gate.who(req.get_header("Authorization"), facts_of(req, self._clock))
        if caller.by_token:
            raise RequestInvalidError("a token is not got with a token; send user and password, or nothing")
        offline = (req.get_param("offline_token") or "") in _TRUE
        self._answer(resp, caller.proven, req.get_param_as_list("scope") or [], offline=offline)

    def on_post(self, req: Request, resp: Response) -> None:
        form = _form(WireBody(req.env).read_all(_FORM_BYTES))
        facts = facts_of(req, self._clock)
        kind = _first(form, "grant_type")
        offline = _first(form, "access_type") == "offline"
        if kind == "password":
            owner = self._gate.login(_first(form, "username"), _first(form, "password"), facts.client_address)
        elif kind == "refresh_token":
            # Whoever has one keeps it: it ends with its password, or by its age.
            owner, offline = self._tokens.owner_of_refresh(_first(form, "refresh_token")), False
        else:
            raise RequestInvalidError("grant_type is password or refresh_token")
        self._answer(resp, owner, form.get("scope", []), offline=offline)

    def _answer(self, resp: Response, owner: Proven, asked: Sequence[str], *, offline: bool) -> None:
        granted = self._gate.granted(owner, scopes.parse(asked))
        token = self._tokens.access(owner, granted)
        answer: dict[str, object] = {
            "token": token,
            "access_token": token,
            "expires_in": ACCESS_SECONDS,
            "issued_at": datetime.fromtimestamp(int(self._clock.wall()), UTC).isoformat().replace("+00:00", "Z"),
            "scope": " ".join(map(str, granted)),
        }
        if offline and owner.account:
            answer["refresh_token"] = self._tokens.refresh(owner)
        resp.set_header("Cache-Control", "no-store")
        resp.content_type = "application/json"
        resp.data = json.dumps(answer).encode()


def _form(data: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(data.decode(), keep_blank_values=True, max_num_fields=_FIELDS)
    except (UnicodeDecodeError, ValueError) as error:
        raise RequestInvalidError("the form is malformed") from error


def _first(form: dict[str, list[str]], name: str) -> str:
    return form.get(name, [""])[0]
