"""``/auth/token``: tokens for docker, podman, containerd, crane and whoever speaks distribution's token protocol.

GET with Basic or without (for nobody in particular), POST with a form (``grant_type`` password or refresh_token). Less than
asked is no error: a token without scopes is good for ``/v2/`` and nothing else.

Where another service gives the tokens, requests are passed on to it, but for those with an ID token of an issuer that is trusted
here: who comes with one gets a short token of ours.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from gateway.access.tokens import ACCESS_SECONDS
from gateway.http.body import WireBody
from gateway.http.credentials import facts_of, password_in
from holdfast.access import scopes
from holdfast.errors import RequestInvalidError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from falcon import Request, Response

    from gateway.access.elsewhere import TokenService
    from gateway.access.fetching import Reply
    from gateway.access.gate import Gate
    from gateway.access.tokens import Tokens
    from gateway.access.ways import Proven
    from gateway.access.workloads import Workloads
    from holdfast.clock import Clock

_FORM_BYTES: Final = 64 * 1024
_FIELDS: Final = 100
_TRUE: Final = frozenset({"true", "1"})


class PassingResource:
    """``workloads``: whose credentials are kept here. ``own`` answers those; None: there are none."""

    def __init__(self, service: TokenService, workloads: Workloads | None, own: TokenResource | None) -> None:
        self._service = service
        self._workloads = workloads
        self._own = own

    def on_get(self, req: Request, resp: Response) -> None:
        authorization = req.get_header("Authorization") or ""
        if self._own is not None and self._is_ours(password_in(authorization)):
            self._own.on_get(req, resp)
        else:
            _pass(resp, self._service.get(_form(req.query_string.encode()), authorization))

    def on_post(self, req: Request, resp: Response) -> None:
        form = _form(WireBody(req.env).read_all(_FORM_BYTES))
        if self._own is not None and self._is_ours(_first(form, "password")):
            self._own.answer_form(req, resp, form)
        else:
            _pass(resp, self._service.post(form, req.get_header("Authorization") or ""))

    def _is_ours(self, password: str) -> bool:
        return self._workloads is not None and self._workloads.recognises(password)


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
        self.answer_form(req, resp, _form(WireBody(req.env).read_all(_FORM_BYTES)))

    def answer_form(self, req: Request, resp: Response, form: dict[str, list[str]]) -> None:
        """To a request whose body has been read."""
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


def _pass(resp: Response, reply: Reply) -> None:
    """Whatever it holds, it is no page of ours."""
    resp.status = HTTPStatus(reply.status)
    resp.set_header("Cache-Control", "no-store")
    resp.set_header("X-Content-Type-Options", "nosniff")
    resp.content_type = "application/json"
    resp.data = reply.body


def _form(data: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(data.decode(), keep_blank_values=True, max_num_fields=_FIELDS)
    except (UnicodeDecodeError, ValueError) as error:
        raise RequestInvalidError("the fields are malformed") from error


def _first(form: dict[str, list[str]], name: str) -> str:
    return form.get(name, [""])[0]
