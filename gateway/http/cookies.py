"""Cookies of ours, and which of a browser's count (RFC 6265bis).

    session    of a browser that is logged in          HttpOnly, SameSite=Lax
    login      of a login under way, for ten minutes   HttpOnly, SameSite=Lax
    user       the name, for pages that show it        not HttpOnly; it proves nothing

Promises
  * Over https, or where ``secureSession`` says so, they are Secure, and those that prove something are named ``__Host-...``: no
    other host and no plain connection can set them.
  * A session counts in a request that changes something only if that cannot come from another site: it names our own origin, or
    carries a header that a page of another site may not send. One cookie twice is none (a neighbour's may be among them).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from gateway.access.browsers import SESSION_SECONDS
from gateway.access.openid import ATTEMPT_SECONDS
from gateway.access.origins import origin_of

if TYPE_CHECKING:
    from falcon import Request, Response

SESSION: Final = "session"
LOGIN: Final = "login"
_USER: Final = "user"
# What pages of the registry send with each request; zot's name for it.
PAGE_HEADER: Final = "X-ZOT-API-CLIENT"
_PAGE_VALUE: Final = "zot-ui"
_HARMLESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# cookie-octet of RFC 6265, section 4.1.1.
_SHOWN: Final = re.compile(r"[!#-+\--:<-\[\]-~]+")
_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LIFE: Final = {SESSION: SESSION_SECONDS, LOGIN: ATTEMPT_SECONDS}


class Cookies:
    """``secure`` None: as the server is reached. ``external_url``: where browsers reach it, "" for wherever they say they do."""

    def __init__(self, external_url: str, *, secure: bool | None = None) -> None:
        self._external_url = external_url.rstrip("/")
        self._secure = secure

    def base(self, req: Request) -> str:
        """The address of the registry, as a browser has it."""
        return self._external_url or f"{req.scheme}://{req.netloc}"

    def of(self, req: Request, name: str) -> str:
        """The value of one of ours, "" for none."""
        found = req.get_cookie_values(self._named(req, name)) or []
        return found[0] if len(found) == 1 else ""

    def session(self, req: Request) -> str:
        """The session, where it counts."""
        return self.of(req, SESSION) if self.is_from_here(req) else ""

    def is_from_here(self, req: Request) -> bool:
        """Whether a request changes nothing, or no other site can have made the browser send it."""
        if req.method in _HARMLESS or is_page(req):
            return True
        origin = req.get_header("Origin")
        if origin:
            return bool(origin_of(origin)) and origin_of(origin) == origin_of(self.base(req))
        return req.get_header("Sec-Fetch-Site") == "same-origin"

    def keep(self, req: Request, resp: Response, name: str, value: str) -> None:
        resp.set_cookie(
            self._named(req, name),
            value,
            max_age=_LIFE[name],
            path="/",
            secure=self._is_secure(req),
            http_only=True,
            same_site="Lax",
        )

    def show_user(self, req: Request, resp: Response, user: str) -> None:
        """For pages, and as it is; a name that no cookie can hold so is not shown."""
        if _SHOWN.fullmatch(user):
            secure = "; Secure" if self._is_secure(req) else ""
            # The library would quote more than a browser wants quoted.
            text = f"{_USER}={user}; Max-Age={SESSION_SECONDS}; Path=/; SameSite=Lax{secure}"
            resp.append_header("Set-Cookie", text)

    def drop(self, req: Request, resp: Response, *names: str) -> None:
        for name in names:
            self._drop(req, resp, self._named(req, name))

    def drop_session(self, req: Request, resp: Response) -> None:
        self.drop(req, resp, SESSION)
        self._drop(req, resp, _USER)

    def _drop(self, req: Request, resp: Response, name: str) -> None:
        # With every attribute that it was set with: a browser lets nothing less touch a __Host- cookie.
        resp.set_cookie(
            name,
            "",
            expires=_LONG_AGO,
            path="/",
            secure=self._is_secure(req),
            http_only=name != _USER,
            same_site="Lax",
        )

    def _named(self, req: Request, name: str) -> str:
        return f"__Host-{name}" if self._is_secure(req) else name

    def _is_secure(self, req: Request) -> bool:
        if self._secure is not None:
            return self._secure
        return self.base(req).startswith("https://") or req.scheme == "https"


def is_page(req: Request) -> bool:
    """Whether a page of the registry asks: no page of another site may send this header."""
    return req.get_header(PAGE_HEADER) == _PAGE_VALUE
