"""``/zot/auth/login``, ``/zot/auth/callback/<service>``, ``/zot/auth/logout``: a browser logs in at another service, and out here.

    GET  login?provider=&callback_ui=   302 to the service
    GET  callback/<service>             302 to callback_ui, 201 without one; the session is in a cookie
    POST logout                         200; the session is gone everywhere

Promises: a login returns to this registry or to ``callbackAllowOrigins``, and nowhere else. What is answered here is kept by no
cache, and its address is told to no other page.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.access.gate import Caller
from gateway.access.openid import Answered
from gateway.access.origins import Origins, origin_of
from gateway.access.ways import Proven
from gateway.http.cookies import LOGIN, SESSION
from gateway.http.credentials import facts_of
from holdfast.errors import DeniedError, RequestInvalidError

if TYPE_CHECKING:
    from falcon import Request, Response

    from gateway.access.browsers import Browsers
    from gateway.access.openid import OpenId
    from gateway.http.cookies import Cookies
    from holdfast.clock import Clock

LOGIN_PATH: Final = "/zot/auth/login"
CALLBACK_PATH: Final = "/zot/auth/callback/{provider}"
LOGOUT_PATH: Final = "/zot/auth/logout"


@dataclass(frozen=True, slots=True)
class Door:
    """What the resources here share. ``returns``: origins that a login may return to, beside our own."""

    browsers: Browsers
    cookies: Cookies
    clock: Clock
    returns: Origins = Origins()  # noqa: RUF009 - frozen


class LoginResource:
    """Raises as ``OpenId.begin``, RequestInvalidError."""

    def __init__(self, openid: OpenId, door: Door) -> None:
        self._openid = openid
        self._door = door

    def on_get(self, req: Request, resp: Response) -> None:
        _keep_private(resp)
        provider = req.get_param("provider") or ""
        callback = self._door.cookies.base(req) + CALLBACK_PATH.format(provider=provider)
        return_to = self._return_to(req, req.get_param("callback_ui") or "")
        begun = self._openid.begin(provider, callback, return_to)
        self._door.cookies.keep(req, resp, LOGIN, begun.cookie)
        _send_to(resp, begun.address)

    def _return_to(self, req: Request, asked: str) -> str:
        if not asked:
            return ""
        own = origin_of(self._door.cookies.base(req))
        address = f"{own}{asked}" if asked.startswith("/") else asked
        if own and (origin_of(address) == own or self._door.returns.leads_to(address)):
            return address
        raise RequestInvalidError("a login returns to this registry or to http.auth.openid.callbackAllowOrigins")


class CallbackResource:
    """Raises as ``OpenId.finish``."""

    def __init__(self, openid: OpenId, door: Door) -> None:
        self._openid = openid
        self._door = door

    def on_get(self, req: Request, resp: Response, provider: str) -> None:
        cookies = self._door.cookies
        _keep_private(resp)
        # Whatever comes of it, one attempt has one answer.
        cookies.drop(req, resp, LOGIN)
        answered = Answered(*(req.get_param(name) or "" for name in ("code", "state", "error", "iss")))
        finished = self._openid.finish(provider, answered, cookies.of(req, LOGIN))
        proven = Proven(finished.identity)
        start_session(self._door, req, resp, proven)
        req.context.caller = Caller(proven, facts_of(req, self._door.clock))
        req.context.is_noted = True
        if finished.return_to:
            _send_to(resp, finished.return_to)
        else:
            resp.status = "201 Created"
            resp.data = json.dumps({"user": finished.identity.name}).encode()


class LogoutResource:
    """Raises DeniedError: another site may have sent it. UnavailableError."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def on_post(self, req: Request, resp: Response) -> None:
        _keep_private(resp)
        if not self._door.cookies.is_from_here(req):
            raise DeniedError("a page of another site logs nobody out")
        facts = facts_of(req, self._door.clock)
        proven = self._door.browsers.of(facts)
        if proven is not None:
            req.context.caller = Caller(proven, facts)
        self._door.browsers.end(facts.session)
        self._door.cookies.drop_session(req, resp)
        resp.data = b"{}"


def start_session(door: Door, req: Request, resp: Response, proven: Proven) -> None:
    """In place of the one that this browser may have had."""
    cookie = door.browsers.begin(proven)
    door.browsers.end(door.cookies.of(req, SESSION))
    door.cookies.keep(req, resp, SESSION, cookie)
    door.cookies.show_user(req, resp, proven.identity.name)


def _keep_private(resp: Response) -> None:
    resp.set_header("Cache-Control", "no-store")
    resp.set_header("Referrer-Policy", "no-referrer")


def _send_to(resp: Response, address: str) -> None:
    resp.status = "302 Found"
    resp.set_header("Location", address)
