"""What goes into ``Authorization`` for one upstream: nothing, Basic, or a token of the service its challenge names.

    no 401 yet                    nothing
    401 with Basic                the login of the source, from then on; asked for anew when it is no longer fresh
    401 with Bearer               a token for the request's scope (distribution's token specification):
        no login                  GET, as nobody
        user and password         GET with Basic; where GET is not offered (404, 405), POST with grant_type=password
        identity token            POST with grant_type=refresh_token

Promises: the realm is judged before anything is sent to it (:func:`syncworker.upstream.trust.realm`); a token is asked for what the
request needs and no more; a refused token or login is fetched anew once for a request, not more often. What is wrong with a source
of logins is told in the log and to clients no more than that there is no login.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from holdfast.errors import ConfigError, UpstreamDeniedError, UpstreamWrongError
from syncworker.upstream import challenge as challenges
from syncworker.upstream import tokens, trust
from syncworker.upstream.exchange import AGENT, detail
from syncworker.upstream.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncworker.upstream.challenge import Challenge
    from syncworker.upstream.credentials import Credentials, CredentialSource
    from syncworker.upstream.exchange import Answer, Exchange
    from syncworker.upstream.pace import Time
    from syncworker.upstream.place import Place

_log: Final = logging.getLogger("syncworker.upstream")
# go-containerregistry reads no more of it either.
_ANSWER_BYTES: Final = 64 << 10
_NOT_OFFERED: Final = frozenset({404, 405})
_FORM: Final = "application/x-www-form-urlencoded"


class Authorizer:
    """For one upstream. Shared by threads."""

    def __init__(
        self, exchange: Exchange, source: CredentialSource, time: Time, realms: frozenset[str] = frozenset()
    ) -> None:
        self._exchange = exchange
        self._source = source
        self._time = time
        self._realms = realms
        self._tokens = tokens.Tokens(time.clock)
        self._lock = threading.Lock()
        self._challenge: Challenge | None = None
        self._login: Credentials | None = None

    def header(self, scope: str) -> str | None:
        """For a request in ``scope``, from what has been learned so far.

        Raises:
            UpstreamError: the token service refuses, does not answer, or is not the upstream's.
        """
        with self._lock:
            challenge, login = self._challenge, self._login
        if challenge is None or challenge.scheme == "basic":
            return self._basic(login)
        token = self._tokens.get(scope)
        if token is None:
            with self._tokens.fetching(scope):
                token = self._tokens.get(scope) or self._fetch(challenge, scope)
        return f"Bearer {token}"

    def learn(self, answer: Answer, scope: str, sent: str | None) -> None:
        """Take the challenge of a 401 to a request that was sent with ``sent``.

        Raises:
            UpstreamDeniedError: no challenge that can be met, or a login is wanted and none is known, or it was just refused.
        """
        home = self._exchange.home
        challenge = challenges.choose(answer.header("WWW-Authenticate") or "")
        if challenge is None:
            raise UpstreamDeniedError(
                f"{home.authority} answered 401 with no challenge that is known here", detail(home)
            )
        login = self._login_anew(sent) if challenge.scheme == "basic" else None
        with self._lock:
            self._challenge, self._login = challenge, login
        if sent and sent.startswith("Bearer "):
            self._tokens.drop(scope, sent.removeprefix("Bearer "))

    def _basic(self, login: Credentials | None) -> str | None:
        if login is None:
            return None
        if self._time.clock.monotonic() >= login.fresh_until:
            login = self._ask_source() or login
            with self._lock:
                self._login = login
        return login.basic()

    def _login_anew(self, sent: str | None) -> Credentials:
        home = self._exchange.home
        login = self._ask_source()
        if login is None:
            raise UpstreamDeniedError(
                f"{home.authority} wants a login; put one into credentialsFile under that name", detail(home)
            )
        if login.basic() == sent:
            login = self._another_than(login)
        if login is None:
            raise UpstreamDeniedError(f"{home.authority} refuses the login that is configured for it", detail(home))
        return login

    def _ask_source(self) -> Credentials | None:
        home = self._exchange.home
        try:
            return self._source.login(home.authority)
        except ConfigError as error:
            # It names files and programs of this machine. Not "denied": that would read as "there is none".
            _log.error("no login can be had", extra={"upstream": home.authority, "reason": error.message})
            raise UpstreamWrongError(
                f"the login for {home.authority} cannot be had; the sync worker's log tells why", detail(home)
            ) from error

    def _another_than(self, refused: Credentials) -> Credentials | None:
        """What the source has after it was told; None: the same as before, or nothing."""
        self._source.refused(self._exchange.home.authority, refused)
        login = self._ask_source()
        return None if login == refused else login

    def _fetch(self, challenge: Challenge, scope: str) -> str:
        home = self._exchange.home
        realm = trust.realm(home, challenge.realm, self._realms)
        asked_at = self._time.clock.monotonic()
        wanted = challenges.scopes(scope, challenge.scope)
        with self._granted(realm, challenge.service, wanted) as answer:
            if answer.status in _NOT_OFFERED:
                # Said of the service, not of what the token is for, which may well exist.
                raise answer.wrong(f"its token service answered {answer.status}")
            if answer.status != 200:
                raise verdict(answer, home, "a token", self._time.clock.wall())
            body = answer.whole(_ANSWER_BYTES)
            try:
                token = tokens.read(body)
            except ValueError as error:
                raise answer.wrong(str(error)) from error
        self._tokens.put(scope, token, asked_at)
        return token.text

    def _granted(self, realm: Place, service: str, scopes: Sequence[str]) -> Answer:
        """The token service's answer to the login, or to the next one where it refuses one that has ended."""
        login = self._ask_source()
        answer = self._ask(realm, service, scopes, login)
        if answer.status != 401 or login is None:
            return answer
        try:
            another = self._another_than(login)
        except BaseException:
            answer.close()
            raise
        if another is None:
            return answer
        answer.close()
        return self._ask(realm, service, scopes, another)

    def _ask(self, realm: Place, service: str, scopes: Sequence[str], login: Credentials | None) -> Answer:
        named = [("service", service)] if service else []
        if login and login.identity_token:
            grant = [("grant_type", "refresh_token"), ("refresh_token", login.identity_token)]
            return self._post(realm, named, scopes, grant)
        query = urlencode([*named, *(("scope", scope) for scope in scopes)])
        headers = {"Authorization": login.basic()} if login else {}
        target = f"{realm.target}{'&' if '?' in realm.target else '?'}{query}"
        answer = self._exchange.once("GET", realm.at(target), headers)
        if login is None or answer.status not in _NOT_OFFERED:
            return answer
        answer.close()
        grant = [("grant_type", "password"), ("username", login.username), ("password", login.password)]
        return self._post(realm, named, scopes, grant)

    def _post(
        self, realm: Place, named: Sequence[tuple[str, str]], scopes: Sequence[str], grant: Sequence[tuple[str, str]]
    ) -> Answer:
        form = urlencode([*grant, *named, ("client_id", AGENT), ("scope", " ".join(scopes))])
        return self._exchange.once("POST", realm, {"Content-Type": _FORM}, form.encode())
