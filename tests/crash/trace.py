"""What a server does to its files, seen from outside: ``strace`` writes it down, this module reads it.

The trace becomes a list of steps in the order of the system calls. An fsync is two steps, its beginning and its end, because others
write meanwhile. An HTTP answer is a step, at the beginning of the call that sends it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.serving import Server, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.crash.disk import Disk

_CALLS: Final = (
    "openat,open,creat,write,pwrite64,pwritev,pwritev2,writev,splice,copy_file_range,sendfile,ftruncate,truncate,fallocate,"
    "fsync,fdatasync,sync_file_range,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,symlink,"
    "symlinkat,sendto,mmap"
)
# Longer than any write of a test: what strace cuts off would be lost.
_STRING_BYTES: Final = 8 << 20
_START_SECONDS: Final = 60.0
_ANSWER: Final = "".join(f"\\x{byte:02x}" for byte in b"HTTP/1.1 ")
_REQUEST_ID: Final = re.compile(rb"X-Request-Id: ([\w-]+)\r\n")


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that succeeded: its arguments as strace prints them, and what it returned."""

    name: str
    arguments: str
    result: int


@dataclass(frozen=True, slots=True)
class SyncBegins:
    """``key`` joins it with its end."""

    path: str
    key: tuple[int, int]


@dataclass(frozen=True, slots=True)
class SyncEnds:
    """It returned without an error."""

    key: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer is about to be sent."""

    request_id: str


Step = Call | SyncBegins | SyncEnds | Answered


def traced(root: Path, trace: Path, port: int = 0) -> Server:
    """``holdfast serve`` with its data in ``root``/disk/data, under strace. The process is the server, not strace."""
    port = port or free_port()
    config = root / "config.json"
    config.write_text(
        json.dumps(
            {
                "storage": {"rootDirectory": str(root / "disk" / "data")},
                "http": {"address": "127.0.0.1", "port": str(port), "workers": 1},
            }
        )
    )
    # -D: strace runs beside the program, which stays our child and gets our signals.
    command = ["strace", "-D", "-f", "-y", "-xx", "-s", str(_STRING_BYTES), "--seccomp-bpf", "--signal=none"]
    command += ["-e", f"trace={_CALLS}", "-o", str(trace), sys.executable, "-m", "holdfast.cli", "serve", str(config)]
    log = root / "log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=os.environ | {"PYTHONUNBUFFERED": "1"}
        )
    server = Server(root, port, process, log, config)
    wait_for("the traced registry", lambda: process.poll() is not None or server.ready(), _START_SECONDS)
    assert process.poll() is None, log.read_text()[-4000:]
    return server


def steps(trace: Path, root: Path) -> Iterator[Step]:
    """What concerns files below ``root``, and answers."""
    inside = "".join(f"\\x{byte:02x}" for byte in os.fsencode(f"{root}/"))
    pending: dict[int, tuple[int, str]] = {}
    with trace.open(encoding="ascii") as lines:
        for number, line in enumerate(lines):
            pid, _, text = line.rstrip("\n").partition(" ")
            text = text.lstrip()
            if text.startswith("<... "):
                begun = pending.pop(int(pid), None)
                if begun is not None:
                    yield from _ended(*begun, text.partition(" resumed>")[2])
                continue
            if inside not in text and _ANSWER not in text and inside[:-4] not in text:
                continue
            if text.endswith("<unfinished ...>"):
                text = text.removesuffix("<unfinished ...>")
                pending[int(pid)] = number, text
                yield from _begun(number, text, root)
                continue
            yield from _begun(number, text, root)
            yield from _ended(number, text, "")


def _begun(number: int, text: str, root: Path) -> Iterator[Step]:
    if text.startswith("sendto(") and _ANSWER in text:
        found = _REQUEST_ID.search(strings(text)[0])
        if found:
            yield Answered(found[1].decode())
    elif text.startswith(("fsync(", "fdatasync(")):
        yield SyncBegins(within(opened(text)[0], root) or "", (number, 0))


def _ended(number: int, text: str, rest: str) -> Iterator[Step]:
    whole = text + rest
    name, _, more = whole.partition("(")
    arguments, _, result = more.rpartition(" = ")
    if result.startswith(("-1 ", "?")) or not result:
        return
    if name in {"fsync", "fdatasync"}:
        yield SyncEnds((number, 0))
    elif name != "sendto":
        yield Call(name, arguments.rstrip().removesuffix(")"), int(re.match(r"-?\w+", result)[0], 0))


def strings(text: str) -> list[bytes]:
    """The quoted strings of a line."""
    return [bytes.fromhex(found.replace("\\x", "")) for found in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', text)]


def opened(text: str) -> list[str]:
    """The paths of the descriptors of a line; of sockets and pipes something that is no path."""
    return [
        os.fsdecode(bytes.fromhex(found.replace("\\x", "")))
        for found in re.findall(r"\d+<((?:\\x[0-9a-f]{2})+)>", text)
    ]


def within(path: str, root: Path) -> str | None:
    """The path relative to ``root``, or None."""
    if path == str(root):
        return ""
    return path.removeprefix(f"{root}/") if path.startswith(f"{root}/") else None


def perform(call: Call, disk: Disk, root: Path) -> None:
    """Do to ``disk`` what the call did."""
    if call.name in {"write", "pwrite64"}:
        _write(call, disk, root)
    elif call.name in {"splice", "copy_file_range"}:
        _move(call, disk, root)
    elif call.name == "openat":
        _open(call, disk, root)
    elif call.name == "mmap":
        assert "MAP_SHARED" not in call.arguments or "PROT_WRITE" not in call.arguments or _is_shared_memory(call), call
    elif call.name == "ftruncate":
        path = within(opened(call.arguments)[0], root)
        if path and not path.endswith(" (deleted)"):
            disk.file(path).change(int(call.arguments.rpartition(", ")[2]), None)
    else:
        _rename(call, disk, root)


def _is_shared_memory(call: Call) -> bool:
    """SQLite's index of its log, made anew by whoever opens the database first."""
    return all(path.endswith(("-shm", "-shm (deleted)")) for path in opened(call.arguments))


def _write(call: Call, disk: Disk, root: Path) -> None:
    path = within(opened(call.arguments)[0], root)
    if path is None or path.endswith(" (deleted)"):
        return
    file, data = disk.file(path), strings(call.arguments)[-1][: call.result]
    assert len(data) == call.result, "strace has cut off a write"
    offset = int(call.arguments.rpartition(", ")[2]) if call.name == "pwrite64" else file.size_bytes
    file.change(offset, data)


def _move(call: Call, disk: Disk, root: Path) -> None:
    """Of a splice only the length is known; a copy begins at the beginning."""
    target = within(opened(call.arguments)[-1], root)
    if target is None or target.endswith(" (deleted)"):
        return
    file = disk.file(target)
    file.change(file.size_bytes, call.result)


def _open(call: Call, disk: Disk, root: Path) -> None:
    path = within(os.fsdecode(strings(call.arguments)[0]), root)
    if path and "O_CREAT" in call.arguments:
        disk.file(path)
    if path and "O_TRUNC" in call.arguments:
        disk.file(path).change(0, None)


def _rename(call: Call, disk: Disk, root: Path) -> None:
    paths = [within(os.fsdecode(text), root) for text in strings(call.arguments)]
    if None in paths or not paths:
        return
    if call.name == "mkdir":
        disk.make_directory(paths[0] or "")
    elif call.name == "rename":
        disk.rename(paths[0] or "", paths[1] or "")
    elif call.name in {"unlink", "rmdir"}:
        disk.remove(paths[0] or "")
    else:
        raise AssertionError(f"nobody has thought of {call}")
