"""A disk that fills up under a short-circuit write, which nobody but the gateway sees."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from gateway.http.body import WireBody
from holdfast.errors import SizeInvalidError, StorageFullError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_a_full_disk_is_retryable_whichever_way_the_body_goes() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        body = WireBody({"wsgi.input": io.BytesIO(b"x" * 10), "CONTENT_LENGTH": "10"})
        with pytest.raises(StorageFullError):
            body.write_to(full, 0, lambda _: None)
    finally:
        os.close(full)


class Reader:
    """As much of gunicorn's body as is looked at."""

    def __init__(self, length: int, ahead: bytes) -> None:
        self.buf = io.BytesIO()
        self.failed = False
        self.reader = self
        self.unreader = self
        self.length = length
        self._ahead = ahead

    def take_buffered(self) -> bytes:
        return self._ahead


@contextlib.contextmanager
def spliced(path: Path, sent: bytes, length: int, ahead: bytes = b"") -> Iterator[tuple[WireBody, Reader, int]]:
    client, server = socket.socketpair()
    wire = Reader(length, ahead)
    body = WireBody({"wsgi.input": wire, "CONTENT_LENGTH": str(length), "gunicorn.socket": server})
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)

    def send() -> None:
        with client:
            client.sendall(sent)

    sender = threading.Thread(target=send)
    sender.start()
    with server:
        yield body, wire, descriptor
    sender.join()
    os.close(descriptor)


def test_the_kernel_moves_what_was_read_ahead_and_the_rest(tmp_path: Path) -> None:
    data = os.urandom(3 << 20)
    with spliced(tmp_path / "staged", data[100:], len(data), data[:100]) as (body, _, descriptor):
        assert body.write_to(descriptor, 0, lambda _: None) == len(data)
    assert (tmp_path / "staged").read_bytes() == data


def test_a_full_disk_under_splice_is_retryable_and_ends_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.splice
    with spliced(tmp_path / "staged", b"x" * 1000, 1000) as (body, wire, descriptor):

        def full(source: int, target: int, count: int) -> int:
            if target == descriptor:  # no file system that can be filled up is at hand without being root
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(source, target, count)

        monkeypatch.setattr(os, "splice", full)
        with pytest.raises(StorageFullError):
            body.write_to(descriptor, 0, lambda _: None)
    assert wire.failed


def test_a_body_that_ends_early_is_no_full_disk(tmp_path: Path) -> None:
    with spliced(tmp_path / "staged", b"x" * 1000, 2000) as (body, wire, descriptor), pytest.raises(SizeInvalidError):
        body.write_to(descriptor, 0, lambda _: None)
    assert wire.failed
