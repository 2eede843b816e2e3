"""What is different for browsers: a cookie says who asks, a password may begin a session, pages of other origins may ask.

Promises
  * A session that another site can have sent is not seen by anybody behind this (``cookies``).
  * A password begins a session only at ``/v2/``, and only for a page of the registry: each one is a record in the metadata.
  * A page of an origin that is not in ``http.allowOrigin`` learns nothing from an answer; one of an origin that is may send
    cookies, and "*" never may (Fetch standard, "CORS protocol").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.http.cookies import PAGE_HEADER, Cookies, is_page
from gateway.http.login import (
    CALLBACK_PATH,
    LOGIN_PATH,
    LOGOUT_PATH,
    CallbackResource,
    Door,
    LoginResource,
    LogoutResource,
    start_session,
)

if TYPE_CHECKING:
    import falcon
    from falcon import Request, Response

    from gateway.access.assembly import Access
    from gateway.access.origins import Origins

_BASE: Final = frozenset({"/v2", "/v2/"})
_METHODS: Final = "HEAD, GET, POST, PUT, PATCH, DELETE, OPTIONS"
_HEADERS: Final = f"Authorization, Content-Type, Content-Range, {PAGE_HEADER}"
_EXPOSED: Final = "Docker-Content-Digest, Link, Location, OCI-Subject, WWW-Authenticate"
_PREFLIGHT_SECONDS: Final = "600"


class Browsing:
    """Falcon middleware: sessions."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def process_request(self, req: Request, _resp: Response) -> None:
        req.context.session = self._door.cookies.session(req)

    def process_response(self, req: Request, resp: Response, _resource: object, _succeeded: bool) -> None:
        caller = getattr(req.context, "caller", None)
        if req.path not in _BASE or caller is None or not str(resp.status).startswith("200") or not is_page(req):
            return
        is_password = (req.get_header("Authorization") or "")[:6].lower() == "basic "
        if is_password and self._door.browsers.takes(caller.proven):
            start_session(self._door, req, resp, caller.proven)


class CrossOrigin:
    """Falcon middleware: pages of other origins."""

    def __init__(self, allowed: Origins) -> None:
        self._allowed = allowed

    def process_request(self, req: Request, resp: Response) -> None:
        """A browser asks before it sends what a form could not; that is answered before anybody is asked who it is."""
        if req.method != "OPTIONS" or not req.get_header("Access-Control-Request-Method"):
            return
        resp.status = "204 No Content"
        if self._admitted(req):
            resp.set_header("Access-Control-Allow-Methods", _METHODS)
            resp.set_header("Access-Control-Allow-Headers", _HEADERS)
            resp.set_header("Access-Control-Max-Age", _PREFLIGHT_SECONDS)
        resp.complete = True

    def process_response(self, req: Request, resp: Response, _resource: object, _succeeded: bool) -> None:
        resp.append_header("Vary", "Origin")
        admitted = self._admitted(req)
        if not admitted:
            return
        resp.set_header("Access-Control-Allow-Origin", admitted)
        resp.set_header("Access-Control-Expose-Headers", _EXPOSED)
        if admitted != "*":
            resp.set_header("Access-Control-Allow-Credentials", "true")

    def _admitted(self, req: Request) -> str:
        origin = req.get_header("Origin") or ""
        if self._allowed.has(origin):
            return origin
        return "*" if origin and self._allowed.everybody else ""


def mount_login(app: falcon.App[Any, Any], access: Access) -> None:
    """What browsers need of an application, as far as it is configured."""
    if access.pages.known or access.pages.everybody:
        app.add_middleware(CrossOrigin(access.pages))
    people = access.browsing
    if people is None:
        return
    cookies = Cookies(access.external_url, secure=people.secure)
    door = Door(people.browsers, cookies, access.clock, people.returns)
    app.add_middleware(Browsing(door))
    app.add_route(LOGOUT_PATH, LogoutResource(door))
    if people.openid is not None:
        app.add_route(LOGIN_PATH, LoginResource(people.openid, door))
        app.add_route(CALLBACK_PATH, CallbackResource(people.openid, door))
