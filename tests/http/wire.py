"""Requests byte by byte, for what no HTTP library would send."""

from __future__ import annotations

import socket
import struct
from typing import Final

_SECONDS: Final = 20.0
_RESET: Final = struct.pack("ii", 1, 0)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)


def exchange(port: int, request: bytes) -> bytes:
    """Send all of it, read until the server closes."""
    with connect(port) as sock:
        sock.sendall(request)
        return read_all(sock)


def read_all(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


def request(method: str, target: str, *lines: str, body: bytes = b"") -> bytes:
    """A request that asks for the connection to be closed afterwards. No header comes by itself but Host."""
    head = "\r\n".join((f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *lines))
    return head.encode("latin-1") + b"\r\n\r\n" + body


def parse(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers by lower-case name, and everything behind the head, undecoded."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split(" ")[1]), headers, rest


def ask(port: int, method: str, target: str, *lines: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    return parse(exchange(port, request(method, target, *lines, body=body)))


def vanish(sock: socket.socket) -> None:
    """Close with a RST, as a killed client's machine does."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    sock.close()
