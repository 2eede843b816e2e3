"""Credentials: none, Basic, or tokens of a Bearer realm (distribution's "token" specification).

The first 401 says which. Tokens are kept for each scope and fetched anew after three quarters of their life, so that
none expires in mid-upload. One :class:`Authorizer` serves all clients of a run; its lock is never held during I/O.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

from holdfast.errors import AnswerError
from holdfast.ops.bench import endpoint as endpoints
from holdfast.ops.bench.http import Answer, Connection, Request

if TYPE_CHECKING:
    from holdfast.ops.bench.endpoint import Dialer

_PARAMETER: Final = re.compile(r'([a-zA-Z_]+)="((?:[^"\\]|\\.)*)"')
_DEFAULT_LIFE_SECONDS: Final = 60.0  # what the specification says when expires_in is absent


@dataclass(frozen=True, slots=True)
class Credentials:
    """A name and its password; the password is kept out of ``repr``."""

    username: str
    password: str = field(repr=False)

    def basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Challenge:
    """A ``WWW-Authenticate`` header."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def parse_challenge(header: str) -> Challenge:
    """The first challenge of the header; parameters that are not known are left out."""
    scheme, _, rest = header.strip().partition(" ")
    found = {name.lower(): value for name, value in _PARAMETER.findall(rest)}
    return Challenge(scheme.lower(), found.get("realm", ""), found.get("service", ""), found.get("scope", ""))


class Authorizer:
    """What goes into ``Authorization``."""

    def __init__(self, credentials: Credentials | None, dialer: Dialer) -> None:
        self._credentials = credentials
        self._dialer = dialer
        self._lock = threading.Lock()
        self._challenge: Challenge | None = None
        self._tokens: dict[str, tuple[str, float]] = {}

    def header(self, scope: str) -> str | None:
        """For a request in ``scope``, from what has been learned so far; None while nothing was asked for.

        Raises:
            AnswerError: the realm refuses or answers nonsense.
        """
        with self._lock:
            challenge = self._challenge
            token, stale_at = self._tokens.get(scope, ("", 0.0))
        if challenge is None:
            return None
        if challenge.scheme == "basic":
            return self._credentials.basic() if self._credentials else None
        if not token or time.monotonic() >= stale_at:
            token = self._fetch(challenge, scope)
        return f"Bearer {token}"

    def learn(self, answer: Answer, scope: str) -> None:
        """Take the challenge of a 401; what was kept for the scope is dropped.

        Raises:
            AnswerError: no challenge that can be met, or Basic without credentials.
        """
        challenge = parse_challenge(answer.headers.get("www-authenticate", ""))
        if challenge.scheme not in {"basic", "bearer"} or (challenge.scheme == "bearer" and not challenge.realm):
            raise AnswerError("401 without a Basic or Bearer challenge", reason="401")
        if challenge.scheme == "basic" and self._credentials is None:
            raise AnswerError("the registry wants a login; give --username and --password-file", reason="401")
        with self._lock:
            self._challenge = challenge
            self._tokens.pop(scope, None)

    def _fetch(self, challenge: Challenge, scope: str) -> str:
        # The challenge's scope is what that one request needed; a push needs more, so both are asked for.
        scopes = list(dict.fromkeys(s for s in (scope, challenge.scope) if s))
        query = urlencode([("service", challenge.service), *(("scope", s) for s in scopes)])
        parts = urlsplit(challenge.realm)
        where = endpoints.parse(f"{parts.scheme}://{parts.netloc}")
        headers = (("Authorization", self._credentials.basic()),) if self._credentials else ()
        target = f"{parts.path or '/'}?{f'{parts.query}&' if parts.query else ''}{query}"
        with Connection(where, self._dialer) as connection:
            answer = connection.exchange(Request("GET", target, headers))
        if answer.status != 200:
            raise AnswerError(f"the token realm {challenge.realm} answered {answer.status}", reason="token")
        token, life_seconds = _read_token(answer.body)
        with self._lock:
            self._tokens[scope] = (token, time.monotonic() + life_seconds * 0.75)
        return token


def _read_token(body: bytes) -> tuple[str, float]:
    try:
        record = json.loads(body)
        token = record.get("token") or record["access_token"]
        life_seconds = float(record.get("expires_in") or _DEFAULT_LIFE_SECONDS)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AnswerError("the token realm's answer holds no token", reason="token") from error
    if not isinstance(token, str):
        raise AnswerError("the token realm's answer holds no token", reason="token")
    return token, life_seconds
