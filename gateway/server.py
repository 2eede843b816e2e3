"""gunicorn, configured in code: one listener per worker, threads for long transfers, a drain with an end.

SIGTERM stops accepting, lets requests finish for ``drain_seconds`` and ends; SIGHUP reads the configuration again and replaces the
workers one after the other, and keeps the old configuration if the new one is refused.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import secrets
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from gateway.access.slots import Slots
from gateway.assembly import Gateway, assemble
from gateway.buckets import Buckets
from gateway.connections import Connections
from gateway.worker import Worker, choose_core
from holdfast import logs
from holdfast.clock import SystemClock
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    import falcon

    from gateway.options import Options

log = logging.getLogger("holdfast.gateway")

# Clients keep idle connections for 90 seconds or so; whoever closes first should be the client.
_KEEPALIVE_SECONDS: Final = 120
_KEY_BYTES: Final = 32
# 46 tags of 128 characters in one query (end-7b) need a long request line.
_LINE_BYTES: Final = 8190
_STOPS: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})


class Quiet(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's messages go where all others go; the worker writes the access log itself."""

    def setup(self, _cfg: Any) -> None:
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)

    def reopen_files(self) -> None:
        """There are none of its own."""


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """``read`` gives the options, again on every reload; it raises ConfigError when they are refused."""

    def __init__(self, read: Callable[[], Options]) -> None:
        self._read = read
        self.options = read()
        self.gateway: Gateway | None = None
        # What all workers count together has to be there before the first of them is forked.
        self.buckets = Buckets(SystemClock(), secrets.token_bytes(_KEY_BYTES))
        self.slots = Slots(max(1, (os.cpu_count() or 1) // 2))
        self.connections = Connections(secrets.token_bytes(_KEY_BYTES))
        logs.configure(self.options.log_level, self.options.log_format, self.options.log_output, "gateway")
        super().__init__()

    def load_config(self) -> None:
        try:
            self.options = self._read()
        except ConfigError as error:
            log.error("the new configuration is refused, the old one stays", extra={"faults": error.detail})  # noqa: TRY400 - the faults say all
        options = self.options
        chosen = {
            "bind": [
                f"[{options.address}]:{options.port}" if ":" in options.address else f"{options.address}:{options.port}"
            ],
            "worker_class": Worker,
            "pre_fork": choose_core,
            "workers": options.workers,
            "threads": options.threads,
            "worker_connections": options.limits.of_one_worker,
            "keepalive": _KEEPALIVE_SECONDS,
            "reuse_port": True,
            "timeout": 120,
            "graceful_timeout": int(options.drain_seconds),
            # Nobody may move the path or the scheme by a header: all our Locations are relative.
            "forwarded_allow_ips": "",
            "limit_request_line": _LINE_BYTES,
            "limit_request_fields": 100,
            "limit_request_field_size": _LINE_BYTES,
            "logger_class": Quiet,
            "post_fork": _heed_early_stops,
            "worker_exit": _leave,
            "child_exit": _forget,
            "proc_name": "holdfast gateway",
            "control_socket_disable": True,
        }
        if options.tls is not None:
            # They make every request's scheme https; the worker itself reads the files, again and again.
            chosen |= {"certfile": str(options.tls.certificate), "keyfile": str(options.tls.key)}
        for name, value in chosen.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> falcon.App[Any, Any]:
        self.gateway = assemble(self.options, _refused, self.buckets, self.slots)
        return self.gateway.app


def _heed_early_stops(arbiter: Any, _worker: Any) -> None:
    """A worker that is told to stop before it has handlers of its own ends, instead of making the arbiter wait in vain.

    Until then it has the arbiter's, which note the signal in a queue that nobody reads in this process.
    """
    for signum in _STOPS:
        signal.signal(signum, signal.SIG_DFL)
    with contextlib.suppress(queue.Empty):
        while True:
            if arbiter.SIG_QUEUE.get_nowait() in _STOPS:
                sys.exit(0)


def _refused() -> None:
    """From any thread: end this worker as one that cannot start, which ends the arbiter and all others instead of a new try."""
    os._exit(Arbiter.WORKER_BOOT_ERROR)


def _leave(_arbiter: Any, worker: Any) -> None:
    gateway: Gateway | None = worker.app.gateway
    if gateway is not None:
        gateway.leave()


def _forget(arbiter: Any, worker: Any) -> None:
    """In the arbiter: a worker has ended, however it did, and its connections with it."""
    arbiter.app.connections.clear(worker.age)
