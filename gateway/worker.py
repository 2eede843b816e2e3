"""The gunicorn worker: threads, one per request being served, and what gunicorn's own thread worker leaves open.

  * a TLS hello on the plain port is answered with ``HTTP/1.1 400`` at once (docker and containerd then fall back to plain HTTP),
    and so is plain HTTP on a TLS port (:mod:`gateway.incoming`);
  * requests that gunicorn refuses get the protocol's JSON body;
  * every connection is a flight that is watched (:mod:`gateway.flights`): stalled clients lose their connection, slow ones do not;
  * health probes are answered by the event loop itself when every thread is taken;
  * after an answer the thread stays on the connection for a moment, because
    the next request of the same client is usually on its way, and the way through the event loop costs more than it;
  * each worker keeps to one core: a pool whose threads hop between cores pays more than twice the CPU (measured).

With :mod:`gateway.incoming`, :mod:`gateway.response` and :mod:`gateway.refusals` this is what knows gunicorn's internals;
``tests/http`` notices when they change.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import ssl
import sys
import time
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from gunicorn.http import wsgi
from gunicorn.workers.gthread import _DEFER, ThreadWorker

from gateway import tls
from gateway.accesslog import stamp
from gateway.affinity import Affinity
from gateway.connections import Turnstile
from gateway.flights import CLIENT, SERVER, Watch
from gateway.health import PATHS
from gateway.incoming import Connection, linger, readable
from gateway.invitation import Invitation
from gateway.refusals import NO_PLACE, closing_answer, refusal_of
from gateway.response import Response
from holdfast.clock import SystemClock
from holdfast.errors import TooManyConnectionsError
from holdfast.networks import plain
from holdfast.settled import settled

if TYPE_CHECKING:
    from concurrent.futures import Future

    from gateway.assembly import Gateway

log = logging.getLogger("holdfast.gateway")

# How long a thread waits on a kept-alive connection before it hands it back to the event loop.
_STAY_MILLIS: Final = 20
# A request head is small: whoever takes longer is not going to finish.
HEAD_SECONDS: Final = 30.0
# Up to here the rest of a body that nobody read is dropped by gunicorn, and the connection is kept.
_DROPPED_BYTES: Final = 64 * 1024
_PEEK_BYTES: Final = 64


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """See the module. ``app`` is a :class:`gateway.server.Server`."""

    alive: bool
    core: int | None = None
    _affinity: Affinity | None = None

    def init_process(self) -> None:
        settings = self.app.options
        self._busy = 0
        self._ids = count(1)
        self._boot = secrets.token_hex(4)
        self._turnstile = Turnstile(self.app.connections, self.age, settings.limits.crowding)
        self._watch = Watch(SystemClock(), settings.idle_seconds, min(HEAD_SECONDS, settings.idle_seconds))
        self._watch.start()
        self._certificates: tls.Certificates | None = None
        if settings.tls is not None:
            self._certificates = tls.Certificates(settings.tls)
            self._certificates.start()
        self._pin()
        super().init_process()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """A worker that has not served anybody yet has nothing to bring to an end, and getting ready may take long."""
        if not self.booted:
            sys.exit(0)
        super().handle_exit(sig, frame)

    def load_wsgi(self) -> None:
        super().load_wsgi()
        gateway: Gateway = self.app.gateway
        self._health = gateway.health
        self._access = gateway.access
        self._meter = gateway.meter
        settled()

    def _pin(self) -> None:
        if self.core is not None:
            self._affinity = Affinity(frozenset({self.core}), frozenset(os.sched_getaffinity(0)))
            self._affinity.settle()

    # -- the event loop's side

    def is_parent_alive(self) -> bool:
        """An orphan stops as if it had been told to; gunicorn's loop would end, and its connections be kept alive nevertheless."""
        self.alive = bool(self.alive and super().is_parent_alive())
        return self.alive

    def set_accept_enabled(self, enabled: bool) -> None:
        """As gunicorn's; a worker that stops lets go of the port at once, not when its last transfer is over.

        Until its socket is closed the kernel gives it new connections, which nobody would ever answer.
        """
        super().set_accept_enabled(enabled)
        if self.alive or enabled:
            return
        for listener in self.sockets:
            while readable(listener, 0):
                self.accept(listener)
            listener.close()

    def accept(self, listener: Any) -> None:
        try:
            sock, address = listener.accept()
        except OSError:
            return  # gone again, or out of descriptors: the next turn tries again
        try:
            leave = self._turnstile.enter(_client(address))
        except TooManyConnectionsError as error:
            self._turn_away(sock, address, error)
            return
        self.nr_conns += 1
        with contextlib.suppress(OSError):
            # A peer that has vanished is noticed by unacknowledged data, one that stalls by the watch.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self.app.options.idle_seconds * 1000))
        conn = Connection(self.cfg, sock, address, listener.getsockname())
        conn.certificates = self._certificates
        conn.leave = leave
        self.enqueue_req(conn)

    def _turn_away(self, sock: socket.socket, address: Any, error: TooManyConnectionsError) -> None:
        """Nothing here waits: what fits into the socket's buffer is said, where the client can read it."""
        with contextlib.suppress(OSError):
            if self._certificates is None:
                sock.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    sock.recv(65536)  # else closing would send a RST ahead of the answer
                sock.send(NO_PLACE.answer())
        sock.close()
        status = NO_PLACE.status[:3]
        self._access.turned_away(self._request_id(), _client(address), status, error.message)

    def enqueue_req(self, conn: Connection) -> None:
        if self._busy * 2 >= self.cfg.threads and conn.is_silent:
            # A thread waits some seconds for the first bytes; only half of them are spent on clients who send none.
            self.finish_request(conn, _Deferred())  # to the poller, until its first bytes are here
            return
        if self._busy >= self.cfg.threads and self._answer_probe(conn):
            return
        self._busy += 1
        future = self.tpool.submit(self.handle, conn)
        future.add_done_callback(lambda done: self.method_queue.defer(self._landed, conn, done))

    def _landed(self, conn: Connection, future: Future[object]) -> None:
        self._busy -= 1
        self.finish_request(conn, future)

    def _answer_probe(self, conn: Connection) -> bool:
        """Health, without a thread. Only what is in the socket's buffer is looked at; nothing here waits, so TLS is left out."""
        if self._certificates is not None:
            return False
        try:
            head = conn.sock.recv(_PEEK_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError:
            return False
        words = head.split(b" ", 2)
        path = words[1].decode("latin-1") if len(words) > 1 else ""
        if words[0] != b"GET" or path not in PATHS:
            return False
        well, body = self._health.answer(path)
        status = "200 OK" if well else "503 Service Unavailable"
        answer = closing_answer(status, body)
        with contextlib.suppress(OSError):
            conn.sock.recv(65536, socket.MSG_DONTWAIT)  # else closing would send a RST ahead of the answer
            conn.sock.send(answer, socket.MSG_DONTWAIT)
        self._access.line_for("GET", path, status[:3])(
            stamp(), self._request_id(), _client(conn.client), "GET", path, status[:3], len(body), 0.0, ""
        )
        self.nr_conns -= 1
        conn.close()
        return True

    # -- a thread's side

    def handle(self, conn: Connection) -> object:
        flight = conn.flight = self._watch.enter(conn.sock)
        try:
            while True:
                flight.await_head()
                result = super().handle(conn)
                if result is not True or not self._stay(conn):
                    break
        finally:
            self._watch.leave(flight)
        if not result and not conn.broken:
            linger(conn.sock)
        return result

    def _stay(self, conn: Connection) -> bool:
        if tls.pending(conn.sock):
            return True  # nobody else would notice that there is something to read
        if not self.alive or self._busy * 2 > self.cfg.threads or conn.parser.unreader.buf.getvalue():
            return False
        return readable(conn.sock, _STAY_MILLIS)

    def handle_request(self, req: Any, conn: Connection) -> bool:
        flight = conn.flight
        if flight is None:
            return False
        flight.turn = SERVER
        flight.sent_bytes = flight.received_bytes = 0
        started = time.monotonic()
        # gunicorn would invite the body at once; nobody who is refused should send it.
        is_invited, req._expected_100_continue = req._expected_100_continue, False  # noqa: SLF001 - gunicorn has no other name
        invitation = Invitation(conn.sock, is_due=is_invited)
        resp, environ = wsgi.create(req, conn.sock, conn.client, conn.server, self.cfg, response_class=Response)
        self.app.options.limits.clients.settle(environ)
        environ["holdfast.invitation"] = invitation
        request_id = environ["holdfast.request_id"] = self._request_id()
        environ["holdfast.flight"] = flight
        environ["holdfast.affinity"] = self._affinity
        if conn.known is not None:
            environ["holdfast.connection"] = conn.known
        environ["wsgi.multithread"] = True
        if not self.alive or conn.is_outdated or len(self.keepalived_conns) >= self.max_keepalived:
            resp.force_close()
        try:
            pieces = self.wsgi(environ, resp.start_response)
            if invitation.is_due or _unread(req.body.reader):
                resp.force_close()
            resp.headers.append(("X-Request-Id", request_id))
            try:
                for piece in pieces:
                    flight.turn = CLIENT
                    resp.write(piece)
                    flight.turn = SERVER  # the next piece may have to come from a node
                flight.turn = CLIENT
                resp.close()
            finally:
                if hasattr(pieces, "close"):
                    pieces.close()
        except Exception as error:
            if resp.headers_sent or isinstance(error, OSError):
                # Part of the answer may be out: a hard close is the only honest end (ARCHITECTURE, promise 4).
                conn.broken = True
                raise StopIteration from None
            raise
        finally:
            flight.turn = SERVER
            sent, seconds = resp.sent + flight.sent_bytes, time.monotonic() - started
            if self._meter is not None:
                status = resp.status[:3] if resp.status else "500"
                self._meter.note(environ, req.method, status, sent, flight.received_bytes, seconds)
            self._log(request_id, req, resp, environ, sent, seconds)
        return not resp.should_close()

    def _request_id(self) -> str:
        return f"{self._boot}-{next(self._ids):x}"

    def _log(self, request_id: str, req: Any, resp: Any, environ: dict[str, Any], sent: int, seconds: float) -> None:
        status = resp.status[:3] if resp.status else "500"
        self._access.line_for(req.method, req.path, status)(
            stamp(),
            request_id,
            environ["REMOTE_ADDR"],
            req.method,
            self._access.address(req.path, req.uri),
            status,
            sent,
            seconds,
            environ.get("HTTP_USER_AGENT", ""),
        )

    def handle_error(self, _req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer what never became a request, in the protocol's form."""
        refusal = refusal_of(exc)
        if refusal.is_bug:
            log.error("unexpected error in a worker thread", exc_info=exc)
        # Who has no keys yet has heard an alert already, and understands nothing else.
        if not isinstance(exc, ssl.SSLError):
            with contextlib.suppress(OSError):
                client.setblocking(False)
                client.send(refusal.answer())
        status = refusal.status[:3]
        self._access.turned_away(self._request_id(), _client(addr), status, refusal.message)


def choose_core(arbiter: Any, worker: Worker) -> None:
    """For ``pre_fork``: the core that the fewest living workers keep to; none where there are more workers than cores."""
    cores = sorted(os.sched_getaffinity(0))
    if arbiter.cfg.workers <= len(cores) > 1:
        taken = [other.core for other in arbiter.WORKERS.values()]
        worker.core = min(cores, key=taken.count)


class _Deferred:
    """What gunicorn's own code expects of a future whose handler has put the connection off."""

    def cancelled(self) -> bool:
        return False

    def result(self) -> object:
        return _DEFER


def _client(address: Any) -> str:
    return plain(str(address[0])) if address else ""


def _unread(reader: Any) -> bool:
    """Whether so much of a refused body is still to come that dropping it costs more than a new connection (RFC 9112, 9.6)."""
    if hasattr(reader, "length"):
        return bool(reader.length > _DROPPED_BYTES)
    return getattr(reader, "parser", None) is not None
