"""One request to an upstream and its answer, redirects included.

Promises
    * What a caller sees of failures is the ``Upstream...Error`` family; urllib3's exceptions end here, those of bodies included.
    * ``Authorization`` is sent to the upstream's own origin and to nobody else.
    * Bodies are never decoded: what claims a content coding is refused, since nobody asked for one.
    * A head is bounded in time, a whole body in bytes and in time, also when it never ends or only trickles.

Never: retries; that is for those who know what a repetition costs. Never: error bodies in messages or logs.
"""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from urllib3 import exceptions as foreign
from urllib3.util import wait_for_read
from urllib3.util.ssltransport import SSLTransport

from holdfast.errors import UpstreamUnavailableError, UpstreamWrongError
from syncworker.upstream import headers as fields
from syncworker.upstream import trust
from syncworker.upstream.place import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Self

    from urllib3 import BaseHTTPResponse

    from syncworker.upstream.connections import Connections
    from syncworker.upstream.ledger import Ledger
    from syncworker.upstream.pace import Pace, Patience, Time
    from syncworker.upstream.place import Origin

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_REDIRECTS_FOLLOWED: Final = 5
# An answer that is not wanted is read to its end if it is this short, because a connection is worth it; else it is cut.
_DISCARDED_BYTES: Final = 64 << 10
_DISCARDING_SECONDS: Final = 2.0
_PIECE_BYTES: Final = 256 << 10
AGENT: Final = "holdfast-syncworker"


@dataclass(frozen=True, slots=True)
class Request:
    """``target`` is of the upstream's origin. ``headers`` hold no credentials; ``authorization`` goes to the upstream only."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    authorization: str | None = None


class Answer:
    """Status, headers and a body that is read once. Close it, or leave its block, whatever was read of it."""

    def __init__(
        self, response: BaseHTTPResponse, place: Place, home: Origin, time: Time, patience: Patience, ledger: Ledger
    ) -> None:
        self._response = response
        self._home = home
        self._time = time
        self._patience = patience
        self._after_close: Callable[[], None] | None = None
        self.place = place
        self.ledger = ledger
        self.status = response.status

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def home(self) -> Origin:
        """The upstream that was asked, whoever answered in the end."""
        return self._home

    @property
    def is_from_home(self) -> bool:
        """Whether the upstream itself says this, not somebody it redirected to."""
        return self.place.origin == self._home

    def header(self, name: str) -> str | None:
        """A header's value; several of one name are joined by commas."""
        return self._response.headers.get(name)

    def length(self) -> int | None:
        """``Content-Length``; None when absent.

        Raises:
            UpstreamWrongError: it is no number.
        """
        try:
            return fields.content_length(self.header("Content-Length"))
        except ValueError as error:
            raise self.wrong(str(error)) from error

    @property
    def is_framed(self) -> bool:
        """Whether the end of the body can be told from the end of the connection."""
        return self.header("Content-Length") is not None or self.header("Transfer-Encoding") is not None

    def some(self, limit_bytes: int) -> bytes:
        """What has arrived, waiting for at least one byte; empty at the end of the body.

        Raises:
            UpstreamUnavailableError: the connection broke, or nothing came for too long.
        """
        with translated(self._home):
            piece = self._response.read1(limit_bytes, decode_content=False)
        self.ledger.received(len(piece))
        return piece

    def has_more(self, seconds: float) -> bool:
        """Whether anything comes within this time. True where that cannot be told; False may be said of what was read already but
        lies in a buffer, so that :meth:`some` is asked in the end.
        """
        # Not in the interface of connections, but there as long as they have one (as http.client has it).
        sock = getattr(self._response.connection, "sock", None)
        if sock is None or isinstance(sock, SSLTransport):
            return True
        if isinstance(sock, ssl.SSLSocket) and sock.pending():
            return True
        with translated(self._home):
            return wait_for_read(sock, seconds)

    def whole(self, limit_bytes: int) -> bytes:
        """The body, to its end.

        Raises:
            UpstreamWrongError: more than ``limit_bytes``.
            UpstreamUnavailableError: it broke off, or took too long.
        """
        announced = self.length()
        if announced is not None and announced > limit_bytes:
            raise self.wrong(f"an answer of {announced} bytes where at most {limit_bytes} are taken")
        deadline = self._time.clock.monotonic() + self._patience.whole_seconds
        pieces, size_bytes = [], 0
        while piece := self.some(_PIECE_BYTES):
            pieces.append(piece)
            size_bytes += len(piece)
            if size_bytes > limit_bytes:
                raise self.wrong(f"an answer that goes on after {limit_bytes} bytes")
            if self._time.clock.monotonic() > deadline:
                raise UpstreamUnavailableError(f"{self._home.authority} sends too slowly", detail(self._home))
        if announced is not None and size_bytes != announced:
            raise UpstreamUnavailableError(f"{self._home.authority} broke off in mid-answer", detail(self._home))
        return b"".join(pieces)

    def wrong(self, what: str) -> UpstreamWrongError:
        """An error about this answer."""
        return UpstreamWrongError(f"{self._home.authority}: {what}", detail(self._home))

    def when_closed(self, do: Callable[[], None]) -> None:
        """Have this done, once, when the answer is closed."""
        self._after_close = do

    def close(self) -> None:
        """Give the connection back, or close it when there is still something on it. More than once does no harm."""
        rest = self._response.length_remaining
        try:
            if rest == 0:
                # An answer to a HEAD keeps its connection until somebody has seen that nothing follows.
                self._response.read(decode_content=False)
            elif rest is not None and rest <= _DISCARDED_BYTES and self.status >= 300:
                self._discard()
        except (foreign.HTTPError, OSError):
            pass  # nobody wants what is left; the connection is closed below
        finally:
            self._response.close()
            self._response.release_conn()
            do, self._after_close = self._after_close, None
            if do is not None:
                do()

    def _discard(self) -> None:
        deadline = self._time.clock.monotonic() + _DISCARDING_SECONDS
        while self._response.read1(_PIECE_BYTES, decode_content=False):
            if self._time.clock.monotonic() > deadline:
                return


class Exchange:
    """Requests to one upstream. Shared by threads."""

    def __init__(
        self, home: Origin, connections: Connections, pace: Pace, time: Time, patience: Patience, ledger: Ledger
    ) -> None:
        self.home = home
        self._connections = connections
        self._pace = pace
        self._time = time
        self._patience = patience
        self._ledger = ledger

    def follow(self, request: Request) -> Answer:
        """Send it and go where the answers lead, at most five times.

        Raises:
            UpstreamUnavailableError: no answer.
            UpstreamWrongError: one that leads where we do not go, or in a circle, or is coded.
        """
        place = Place(self.home, request.target)
        for _ in range(_REDIRECTS_FOLLOWED + 1):
            headers = dict(request.headers)
            if request.authorization and place.origin == self.home:
                headers["Authorization"] = request.authorization
            answer = self.once(request.method, place, headers)
            location = answer.header("Location")
            if answer.status not in _REDIRECTS or location is None:
                return answer
            answer.close()
            place = trust.hop(self.home, place, location)
        raise UpstreamWrongError(
            f"{self.home.authority} redirects more than {_REDIRECTS_FOLLOWED} times", detail(self.home)
        )

    def once(
        self,
        method: str,
        place: Place,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None = None,
    ) -> Answer:
        """One request, no redirect followed; raises as :meth:`follow`, and what a body that is made on the way raises."""
        if place.origin == self.home:
            self._pace.wait()
        sent = {"User-Agent": AGENT, "Accept-Encoding": "identity", **headers}
        pool = self._connections.to(place.origin)
        sent_at = self._time.clock.monotonic()
        with translated(self.home):
            response = pool.urlopen(
                method,
                place.target,
                body=body,
                headers=sent,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
                pool_timeout=self._patience.queue_seconds,
            )
        self._ledger.answered(response.status, self._time.clock.monotonic() - sent_at)
        answer = Answer(response, place, self.home, self._time, self._patience, self._ledger)
        coding = answer.header("Content-Encoding")
        if coding is not None and coding.strip().lower() not in {"", "identity"}:
            answer.close()
            raise answer.wrong("an answer in a content coding that was not asked for")
        return answer

    def close(self) -> None:
        self._connections.close()


def detail(home: Origin, **more: object) -> dict[str, object]:
    """The ``detail`` of an error about this upstream."""
    return {"upstream": home.authority, **more}


@contextmanager
def translated(home: Origin) -> Iterator[None]:
    """urllib3's exceptions and the socket's to ours."""
    try:
        yield
    except foreign.SSLError as error:
        # A certificate that is not trusted will not be so a second later.
        if "CERTIFICATE" in str(error) or "doesn't match" in str(error):
            raise UpstreamWrongError(
                f"the certificate of {home.authority} or of a host it names is not trusted; put its authority into certDir",
                detail(home),
            ) from error
        raise UpstreamUnavailableError(f"no TLS connection to {home.authority}", detail(home)) from error
    except foreign.EmptyPoolError as error:
        raise UpstreamUnavailableError(f"all connections to {home.authority} are in use", detail(home)) from error
    # Before silence: to urllib3 a refused connection is a kind of it.
    except (foreign.NewConnectionError, foreign.NameResolutionError) as error:
        raise UpstreamUnavailableError(f"{home.authority} cannot be reached", detail(home, down=True)) from error
    except (foreign.TimeoutError, TimeoutError) as error:
        raise UpstreamUnavailableError(f"{home.authority} was silent for too long", detail(home, down=True)) from error
    except (foreign.LocationValueError, foreign.InvalidHeader, ValueError) as error:
        raise UpstreamWrongError(f"{home.authority}: an answer that breaks HTTP", detail(home)) from error
    except (foreign.HTTPError, OSError) as error:
        raise UpstreamUnavailableError(f"the connection to {home.authority} broke", detail(home)) from error
