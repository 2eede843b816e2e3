"""A client that sends any bytes whatever and reads answers as a strict client would."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from dataclasses import dataclass, field

_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; header names are lower-case, a header sent twice is a fault."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Talk:
    """What came back on one connection. ``rest`` is what came besides the answers; ``ended``: the server closed it."""

    answers: list[Answer] = field(default_factory=list)
    rest: bytes = b""
    ended: bool = False


def talk(port: int, data: bytes, answers: int, *, ends: bool = False, seconds: float = 15.0) -> Talk:
    """Send ``data``, read until so many answers are there, say that no more comes, and read until the server closes."""
    result, received, left = Talk(), bytearray(), memoryview(data)
    deadline = time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        sock.setblocking(False)
        shut = False
        while time.monotonic() < deadline:
            done = len(result.answers) >= answers > 0
            if not shut and ((ends and not left) or done):
                left, shut = left[:0], True
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_WR)
            readable, writable, _ = select.select([sock], [sock] if left else [], [], 1)
            try:
                if writable:
                    left = left[sock.send(left[:_PIECE_BYTES]) :]
                if readable:
                    came = sock.recv(_PIECE_BYTES)
                    if not came:
                        result.ended = True
                        break
                    received += came
            except BlockingIOError:
                continue
            except OSError:  # reset: what has arrived still counts
                result.ended = True
                break
            while len(result.answers) < answers and (one := _take(received, without_body=data.startswith(b"HEAD "))):
                if one.status >= 200:
                    result.answers.append(one)
    result.rest = bytes(received)
    return result


def _take(received: bytearray, *, without_body: bool) -> Answer | None:
    """Cut one whole answer off the front of what has been received."""
    head, end, _ = bytes(received).partition(b"\r\n\r\n")
    if not end:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    assert version in {"HTTP/1.1", "HTTP/1.0"}, first
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        assert name.lower() not in headers, f"{name} is there twice"
        headers[name.lower()] = value.strip()
    status = int(rest[:3])
    assert "transfer-encoding" not in headers, "answers to bad input have a length"
    bodyless = without_body or status < 200 or status in {204, 304}
    size_bytes = 0 if bodyless else int(headers["content-length"])
    begin = len(head) + 4
    if len(received) < begin + size_bytes:
        return None
    body = bytes(received[begin : begin + size_bytes])
    del received[: begin + size_bytes]
    return Answer(status, headers, body)
