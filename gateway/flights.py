"""Requests in flight, and the watch over those whose client has stopped moving.

A thread that reads from or writes to a client may block in the kernel for as long as the client likes. Each connection
therefore has a :class:`Flight` that says whose turn it is; one watching thread asks the kernel (TCP_INFO) how many bytes
have moved, and shuts the socket down when it is the client's turn and too few did. A slow client that moves is left alone,
however long it takes; a request head has a deadline of its own, because it is small.

Never here: time-outs of the server's own work. That is bounded where it is done.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from holdfast.clock import Clock

# A client that moves fewer bytes than this in a whole time-out is holding a thread, not transferring.
MIN_PROGRESS_BYTES: Final = 1024
# struct tcp_info: tcpi_bytes_acked and tcpi_bytes_received, two u64 behind 120 bytes (linux/tcp.h, stable ABI).
_TCP_INFO: Final = struct.Struct("=120xQQ")

SERVER: Final = 0  # our turn: looking things up, waiting for a node
HEAD: Final = 1  # the client is sending a request head
CLIENT: Final = 2  # the client is sending a body or taking an answer
HANDSHAKE: Final = 3  # the client is agreeing on keys
# Two round trips, and a signature on either side.
_HANDSHAKE_SECONDS: Final = 10.0


@dataclass(slots=True, eq=False)
class Flight:
    """One connection while a request is on it. ``sent_bytes`` counts what went past the server's own accounting, ``received_bytes``
    what of the request's body has been read.
    """

    sock: socket.socket
    turn: int = SERVER
    requests: int = 0
    since_seconds: float = 0.0
    moved_bytes: int = 0
    seen: tuple[int, int] = (SERVER, 0)
    sent_bytes: int = 0
    received_bytes: int = 0
    cut: bool = False

    def await_head(self) -> None:
        """The next request's time begins. Counted, for between two looks a whole request may come and go."""
        self.requests += 1
        self.turn = HEAD


class Watch:
    """Looks at every flight once in a while, in one thread of its own."""

    def __init__(self, clock: Clock, idle_seconds: float, head_seconds: float) -> None:
        self._clock = clock
        self._idle_seconds = idle_seconds
        self._head_seconds = head_seconds
        self._flights: dict[int, Flight] = {}
        self._stop = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="flight-watch", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def enter(self, sock: socket.socket) -> Flight:
        """A request may be coming on this connection. Leave with :meth:`leave`."""
        flight = Flight(sock)
        flight.await_head()
        self._flights[id(flight)] = flight
        return flight

    def leave(self, flight: Flight) -> None:
        self._flights.pop(id(flight), None)

    def look(self) -> None:
        """Shut down what has been stalled by its client for too long. Called by the thread, and by tests."""
        now = self._clock.monotonic()
        for flight in list(self._flights.values()):
            at = (flight.turn, flight.requests)
            if flight.turn == SERVER or at != flight.seen:
                flight.seen = at
                self._mark(flight, now)
            elif flight.turn in (HEAD, HANDSHAKE):
                limit = self._head_seconds if flight.turn == HEAD else min(_HANDSHAKE_SECONDS, self._head_seconds)
                if now - flight.since_seconds > limit:
                    _cut(flight)
            else:
                self._judge(flight, now)

    def _judge(self, flight: Flight, now: float) -> None:
        moved = _moved_bytes(flight.sock)
        if moved - flight.moved_bytes >= MIN_PROGRESS_BYTES:
            flight.moved_bytes = moved
            flight.since_seconds = now
        elif now - flight.since_seconds > self._idle_seconds:
            _cut(flight)

    def _mark(self, flight: Flight, now: float) -> None:
        flight.since_seconds = now
        if flight.turn == CLIENT:
            flight.moved_bytes = _moved_bytes(flight.sock)

    def _run(self) -> None:
        pause_seconds = min(5.0, self._idle_seconds / 4, self._head_seconds / 4)
        while not self._stop.wait(pause_seconds):
            self.look()


def _cut(flight: Flight) -> None:
    flight.cut = True
    with contextlib.suppress(OSError):
        # Not as an SSLSocket does it: that would forget its keys under the hands of the thread that uses them.
        socket.socket.shutdown(flight.sock, socket.SHUT_RDWR)


def _moved_bytes(sock: socket.socket) -> int:
    try:
        raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        acked, received = _TCP_INFO.unpack(raw)
    except (OSError, struct.error):
        return 0  # not TCP, or closed in the meantime: no progress to see
    return int(acked) + int(received)
