"""Kills a Holdfast process from inside, at a named point; nothing of it is in the product.

Python imports a module of this name at its start, so with this directory on PYTHONPATH every process of a server has it, and with
CRASH_CONTROL naming the file of ``tests.crash.control`` it wraps the seams that the process will use. A process that passes the
armed point for the n-th time writes down that it fired and sends itself SIGKILL: no handler runs, no buffer is flushed.

    <role>.<what>.<where>.before    nothing of it has happened
    <role>.<what>.<where>.after     it has happened, and nobody has been told
"""

from __future__ import annotations

import functools
import mmap
import os
import re
import signal
import sqlite3
import struct
import sys
from pathlib import Path

NAME_BYTES = 128
COUNT = struct.Struct("=I")
_FIRED_AT = 256

_WHERE = (
    (re.compile(r"/node/staging/[^/]+\.data\.\d+$"), "data"),
    (re.compile(r"/node/staging/[^/]+\.lent\.\d+$"), "lent"),
    (re.compile(r"/node/staging/[^/]+\.given\.\d+$"), "given"),
    (re.compile(r"/node/staging/put\.[0-9a-f]+$"), "small"),
    (re.compile(r"/node/staging/uploads(\.new)?$"), "uploads"),
    (re.compile(r"/node/blobs/[0-9a-f]{3}/[^/]+$"), "blob"),
    (re.compile(r"/node/blobs/[0-9a-f]{3}$"), "partition"),
    (re.compile(r"/node/blobs$"), "blobs"),
    (re.compile(r"/node/node\.json(\.new)?$"), "identity"),
    (re.compile(r"/node$"), "node"),
)


class Control:
    """The shared file: what is armed, and what fired."""

    def __init__(self, path: str) -> None:
        with Path(path).open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    def passed(self, point: str) -> None:
        name = point.encode()
        if self._map[: len(name) + 1] != name + b"\0":
            return
        (left,) = COUNT.unpack_from(self._map, NAME_BYTES)
        COUNT.pack_into(self._map, NAME_BYTES, left - 1)
        if left > 1:
            return
        self._map[0] = 0
        self._map[_FIRED_AT : _FIRED_AT + len(name) + 1] = name + b"\0"
        os.kill(os.getpid(), signal.SIGKILL)


def around(call, point_of):
    """``call`` with a point before and one after. ``point_of`` names it by the arguments; None: no point."""

    @functools.wraps(call)
    def wrapped(*args, **kwargs):
        point = point_of(*args, **kwargs)
        if point is None:
            return call(*args, **kwargs)
        control.passed(f"{point}.before")
        result = call(*args, **kwargs)
        control.passed(f"{point}.after")
        return result

    return wrapped


def where(target):
    if isinstance(target, int):
        try:
            target = Path(f"/proc/self/fd/{target}").readlink()
        except OSError:
            return None
    text = os.fsdecode(target)
    return next((name for pattern, name in _WHERE if pattern.search(text)), None)


def wrap_files(role):
    def by(what, argument):
        def point_of(*args, **_kwargs):
            place = where(args[argument])
            return place and f"{role}.{what}.{place}"

        return point_of

    def creating(path, flags, *_args, **_kwargs):
        place = where(path) if flags & os.O_CREAT else None
        return place and f"{role}.create.{place}"

    os.open = around(os.open, creating)
    os.replace = around(os.replace, by("rename", 1))
    for call, argument in (
        ("fsync", 0),
        ("pwrite", 0),
        ("unlink", 0),
        ("mkdir", 0),
        ("rmdir", 0),
        ("copy_file_range", 1),
    ):
        setattr(os, call, around(getattr(os, call), by(call, argument)))


def wrap_sqlite(role):
    class Watched(sqlite3.Connection):
        def execute(self, sql, *args):
            word = {"COMMIT": "commit", "BEGIN IMMEDIATE": "begin"}.get(sql)
            if word is None:
                return super().execute(sql, *args)
            control.passed(f"{role}.sqlite.{word}.before")
            result = super().execute(sql, *args)
            control.passed(f"{role}.sqlite.{word}.after")
            return result

    sqlite3.connect = functools.partial(sqlite3.connect, factory=Watched)


def wrap_method(owner, name, point):
    setattr(owner, name, around(getattr(owner, name), point if callable(point) else lambda *_args, **_kwargs: point))


def in_node():
    wrap_files("node")
    from storagenode.disk import identity  # noqa: PLC0415
    from storagenode.node import StorageNode  # noqa: PLC0415
    from storagenode.servicer import Servicer  # noqa: PLC0415

    wrap_method(identity, "prepare", "node.start.prepare")
    wrap_method(StorageNode, "recover", "node.start.recover")
    behaviours = Servicer.behaviours

    def watched(self):
        return {name: around(call, lambda *_, n=name: f"node.rpc.{n}") for name, call in behaviours(self).items()}

    Servicer.behaviours = watched


def in_gateway():
    wrap_sqlite("gateway")
    wrap_files("gateway")
    started = os.getpid()
    from gunicorn.arbiter import Arbiter  # noqa: PLC0415

    from gateway.http import paths  # noqa: PLC0415
    from gateway.http.router import Router  # noqa: PLC0415
    from gateway.worker import Worker  # noqa: PLC0415

    def request(_router, req, *_args, **_kwargs):
        try:
            route = paths.parse(req.path[4:])
        except Exception:  # noqa: BLE001 - refused requests are not what is injected here
            return None
        return f"gateway.http.{req.method}.{route.kind.name.lower()}" if route else None

    def filling(_source, target, *_args):
        # The second half of a splice: from the pipe into the staging file.
        place = where(target)
        return place and f"gateway.splice.{place}"

    wrap_method(Router, "__call__", request)
    wrap_method(Worker, "init_process", "gateway.worker.init")
    wrap_method(Worker, "load_wsgi", "gateway.worker.load")
    wrap_method(Arbiter, "spawn_worker", lambda *_: "arbiter.spawn.worker" if os.getpid() == started else None)
    os.splice = around(os.splice, filling)


def in_serve():
    wrap_sqlite("serve")
    from holdfast.ops import children  # noqa: PLC0415

    # Here children die every second; the product's growing pauses would make the test long and show nothing.
    children._LONGEST_PAUSE_SECONDS = 0.2
    wrap_method(children.Child, "start", lambda child, *_: f"serve.start.{child.name}")
    wrap_method(children.Child, "reap", lambda child: f"serve.reap.{child.name}" if child.process else None)


def in_sync_worker():
    from holdfast.meta.fetches import Fetches  # noqa: PLC0415
    from holdfast.replicas.write import ReplicaWriter  # noqa: PLC0415
    from syncworker.linking import Linking  # noqa: PLC0415
    from syncworker.upstream.blobs import BlobStream  # noqa: PLC0415

    for name in ("take", "name", "end"):
        wrap_method(Fetches, name, f"sync.fetches.{name}")
    for name in ("start", "append", "finish"):
        wrap_method(ReplicaWriter, name, f"sync.writer.{name}")
    wrap_method(Linking, "link", "sync.linking.link")
    wrap_method(BlobStream, "_accept", "sync.upstream.chunk")


_ROLES = {"syncworker": in_sync_worker, "storagenode": in_node, "gateway": in_gateway, "holdfast.cli": in_serve}
_path = os.environ.get("CRASH_CONTROL", "")
_words = sys.orig_argv
_role = _words[_words.index("-m") + 1] if "-m" in _words[:-1] else ""
if _role in _ROLES and Path(_path).is_file():
    control = Control(_path)
    _ROLES[_role]()
