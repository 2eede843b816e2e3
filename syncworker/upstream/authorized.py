"""Requests with what authorizes them: sent, and sent once more with new credentials after a 401.

Promises
    * Reading follows redirects; writing does not: a body goes to the upstream's own origin and to nobody else.
    * A body is given anew for the second try, from a function that makes it.

Never: tries again for any other reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import UpstreamDeniedError
from syncworker.upstream.exchange import Request
from syncworker.upstream.place import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from syncworker.upstream.authorizer import Authorizer
    from syncworker.upstream.exchange import Answer, Exchange

    Body = Callable[[], bytes | Iterable[bytes]]

_READING: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Asking:
    """``scope``: what the request needs, as token services name it. A body without a length in ``headers`` goes as it is."""

    method: str
    target: str
    scope: str
    headers: tuple[tuple[str, str], ...] = ()
    body: Body | None = None


class Door:
    """Into one upstream. Shared by threads."""

    def __init__(self, exchange: Exchange, authorizer: Authorizer) -> None:
        self._exchange = exchange
        self._authorizer = authorizer
        self.home = exchange.home

    def send(self, asking: Asking) -> Answer:
        """The answer, to be closed.

        Raises:
            UpstreamError: none, or the upstream takes no credentials that are known here.
        """
        sent = self._authorizer.header(asking.scope)
        answer = self._once(asking, sent)
        if answer.status != 401 or not answer.is_from_home:
            return answer
        with answer:
            self._authorizer.learn(answer, asking.scope, sent)
        sent = self._authorizer.header(asking.scope)
        answer = self._once(asking, sent)
        if answer.status == 401:
            answer.close()
            raise UpstreamDeniedError(
                f"{self.home.authority} does not accept the login for {asking.scope.rpartition(':')[0]}",
                {"upstream": self.home.authority},
            )
        return answer

    def close(self) -> None:
        """Close idle connections."""
        self._exchange.close()

    def _once(self, asking: Asking, authorization: str | None) -> Answer:
        if asking.method in _READING:
            return self._exchange.follow(Request(asking.method, asking.target, asking.headers, authorization))
        headers = dict(asking.headers)
        if authorization:
            headers["Authorization"] = authorization
        body = asking.body() if asking.body else None
        return self._exchange.once(asking.method, Place(self.home, asking.target), headers, body)
