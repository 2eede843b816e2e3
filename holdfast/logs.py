"""Logs: one JSON object a line (or text for people), the same shape from every process, written in one system call each.

Everything goes through ``logging``; fields travel in ``extra``. The access log has its own door, because it is written once per
request on the hottest path there is and needs none of the machinery. No secret is ever handed to either.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

LEVELS: Final = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
    "panic": logging.CRITICAL,
}


class LineHandler(logging.Handler):
    """One ``os.write`` a record: lines of several processes never mix."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def emit(self, record: logging.LogRecord) -> None:
        try:
            os.write(self._descriptor, self.format(record).encode("utf-8", "backslashreplace") + b"\n")
        except Exception:  # noqa: BLE001 - logging must not break what it tells of; logging has its own way to say so
            self.handleError(record)


def configure(level: str, form: str, output: str, role: str) -> int:
    """Set up this process's logs; the descriptor they go to.

    ``form`` is ``json`` or ``text``; ``output`` is a file to append to, or "" / ``stdout`` / ``/dev/stdout`` for standard output.
    """
    descriptor = _open(output)
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        _role(role),
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=os.isatty(descriptor))]
        if form == "text"
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    )
    handler = LineHandler(descriptor)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(LEVELS[level])
    return descriptor


def is_told(level: str, wanted: str) -> bool:
    """Whether logs of this level hold lines of that one."""
    return LEVELS[level] <= LEVELS[wanted]


def access_line(descriptor: int, form: str, level: str = "info") -> Callable[..., None]:
    """A function that writes one line for one request: id, client, method, path, status, bytes, seconds, agent."""
    if form == "text":
        return lambda *fields: _write(
            descriptor, " ".join(str(f) for f in fields).encode("utf-8", "backslashreplace") + b"\n"
        )

    def write(  # noqa: PLR0913, PLR0917 - the fields of a line, in order; a value object would cost more than the line
        stamp: str,
        request_id: str,
        client: str,
        method: str,
        path: str,
        status: str,
        sent: int,
        seconds: float,
        agent: str,
    ) -> None:
        _write(
            descriptor,
            (
                f'{{"event": "request", "timestamp": "{stamp}", "level": "{level}", "logger": "holdfast.access", '
                f'"id": "{request_id}", "client": "{client}", "method": {_quote(method)}, "path": {_quote(path)}, '
                f'"status": {status}, "bytes": {sent}, "seconds": {seconds:.6f}, "agent": {_quote(agent)}}}\n'
            ).encode("ascii", "backslashreplace"),
        )

    return write


def _quote(text: str) -> str:
    """A JSON string, ASCII only, of what a client sent: no control characters reach the log."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return json.dumps(text)


def _write(descriptor: int, line: bytes) -> None:
    try:
        os.write(descriptor, line)
    except OSError:
        return  # a log that cannot be written must not fail the request it tells of


def _role(role: str) -> structlog.typing.Processor:
    def add(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["process"] = role
        return event

    return add


def _open(output: str) -> int:
    if output in ("", "stdout", "/dev/stdout"):
        return sys.stdout.fileno()
    if output in ("stderr", "/dev/stderr"):
        return sys.stderr.fileno()
    return os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
