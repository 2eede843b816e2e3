"""Credentials over HTTP: what a request says of itself, and how it is asked for more (RFC 9110, section 11; RFC 6750).

One challenge, Bearer: docker, podman and containerd get a token with it for somebody as well as for nobody, which alone makes
anonymous pulls and pushes with a login work in one registry. Basic is taken wherever it is sent unasked.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from gateway.access.tokens import SERVICE
from holdfast.access.conditions import Facts
from holdfast.access.connection import Connection
from holdfast.errors import LoginNeededError

if TYPE_CHECKING:
    from falcon import Request

    from holdfast.clock import Clock
    from holdfast.errors import AccessError

_PLAIN: Final = Connection()
TOKEN_PATH: Final = "/auth/token"  # noqa: S105 - a path
# The second is zot's.
TOKEN_PATHS: Final = (TOKEN_PATH, "/zot/auth/token")
# What ends in a header or a condition is bounded.
_LONGEST: Final = 512


def facts_of(req: Request, clock: Clock, reference: str = "") -> Facts:
    """What conditions may look at."""
    return Facts(
        method=req.method,
        user_agent=(req.get_header("User-Agent") or "")[:_LONGEST],
        reference=reference,
        client_address=req.remote_addr or "",
        forwarded_for=(req.get_header("X-Forwarded-For") or "")[:_LONGEST],
        wall_seconds=clock.wall(),
        session=getattr(req.context, "session", ""),
        connection=req.env.get("holdfast.connection", _PLAIN),
    )


def password_in(authorization: str) -> str:
    """Of Basic credentials; "" where there is none. Who that is decides the gate."""
    kind, _, encoded = authorization.partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


class Challenges:
    """``external_url``: where clients reach the registry, "" for wherever they say they do. ``realm`` and ``service``: of another
    token service, "" for our own.
    """

    def __init__(self, external_url: str, realm: str = "", service: str = SERVICE) -> None:
        self._external_url = external_url.rstrip("/")
        self._realm = realm
        self._service = service

    def challenge(self, req: Request, error: AccessError) -> str:
        """The value of WWW-Authenticate."""
        if req.path in TOKEN_PATHS:
            return f'Basic realm="{SERVICE}"'
        realm = self._realm or f"{self._base(req)}{TOKEN_PATH}"
        parts = [f'realm="{_quoted(realm)}"', f'service="{_quoted(self._service)}"']
        if error.scope:
            parts.append(f'scope="{_quoted(error.scope)}"')
        if req.get_header("Authorization"):
            too_narrow = isinstance(error, LoginNeededError)
            parts.append(f'error="{"insufficient_scope" if too_narrow else "invalid_token"}"')
        return f"Bearer {','.join(parts)}"

    def _base(self, req: Request) -> str:
        return self._external_url or f"{req.scheme}://{req.netloc}"


def _quoted(text: str) -> str:
    """As part of a quoted string; what cannot be there comes from a Host header that nobody honest sends."""
    return "".join(letter for letter in text if letter.isascii() and letter.isprintable() and letter not in '"\\')
