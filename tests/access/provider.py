"""A login service for browsers: OpenID Connect and GitHub's API in one, honest unless told how to behave.

    with LocalProvider() as provider:
        provider.url                        the issuer; GitHub's API is below it, as GitHub Enterprise has it
        provider.person = {...}             who sits in front of the browser: claims of the ID token
        provider.lies = {...}               claims that the next ID tokens have instead
        provider.known                      what its user endpoint tells beyond the token
        provider.github = {path: value}     what GitHub's API tells

A code counts once, for the client, the redirect address and the verifier that it was asked with.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus, urlencode

from tests.access.issuer import LocalIssuer

if TYPE_CHECKING:
    from tests.access.issuer import Handler

CLIENT = "registry"
SECRET = "a secret/of the:client"
TOKEN = "an access token"


class LocalProvider(LocalIssuer):
    """On loopback, by http."""

    def __init__(self) -> None:
        self.person: dict[str, Any] = {"sub": "1", "email": "ann@example.com", "email_verified": True}
        self.lies: dict[str, Any] = {}
        self.known: dict[str, Any] = {"sub": "1"}
        self.github: dict[str, Any] = {}
        self._codes: dict[str, dict[str, str]] = {}
        super().__init__(plain=True)
        for authorize, exchange in (("/authorize", "/token"), ("/login/oauth/authorize", "/login/oauth/access_token")):
            self.route(authorize, self._authorize)
            self.route(exchange, self._exchange)
        self.route("/userinfo", lambda handler: self._told(handler, self.known))
        for path in ("emails", "orgs", "teams"):
            self.route(f"/api/v3/user/{path}", lambda handler, path=path: self._told(handler, self.github.get(path)))

    def document(self) -> dict[str, Any]:
        return {**super().document(), "userinfo_endpoint": f"{self.url}/userinfo"}

    def code(self, **asked: str) -> str:
        """One that whoever sits there has been given for this question."""
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return code

    def _authorize(self, handler: Handler) -> None:
        asked = {name: values[-1] for name, values in handler.query.items()}
        answer = {"code": self.code(**asked), "state": asked["state"]}
        handler.say(b"", 302, Location=f"{asked['redirect_uri']}?{urlencode(answer)}")

    def _exchange(self, handler: Handler) -> None:
        form = {name: values[-1] for name, values in handler.form.items()}
        asked = self._codes.pop(form.get("code", ""), None)
        if asked is None or not self._is_client(handler, form) or not _fits(asked, form):
            handler.say({"error": "invalid_grant"}, 400)
            return
        said = {**self.person, "aud": CLIENT, "nonce": asked.get("nonce"), **self.lies}
        handler.say({"access_token": TOKEN, "token_type": "bearer", "id_token": self.token(**said)})

    def _is_client(self, handler: Handler, form: dict[str, str]) -> bool:
        kind, _, encoded = (handler.headers.get("Authorization") or "").partition(" ")
        if kind == "Basic":
            name, _, secret = base64.b64decode(encoded).decode().partition(":")
            return (unquote_plus(name), unquote_plus(secret)) == (CLIENT, SECRET)
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)

    def _told(self, handler: Handler, what: Any) -> None:
        if handler.headers.get("Authorization") != f"Bearer {TOKEN}" or what is None:
            handler.say({"message": "no"}, 403)
        else:
            handler.say(json.dumps(what).encode())


def _fits(asked: dict[str, str], form: dict[str, str]) -> bool:
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return (
        form.get("grant_type") == "authorization_code"
        and asked.get("client_id") == CLIENT
        and asked.get("response_type") == "code"
        and asked.get("code_challenge_method") == "S256"
        and asked.get("code_challenge") == challenge
        and asked.get("redirect_uri") == form.get("redirect_uri")
    )
