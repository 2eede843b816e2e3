"""What a cluster needs once, before it serves: certificates, volumes that its user may write to, and a first layout.

    first_start.py prepare --make=DIR,... ROLE:NAME...       make directories for the cluster's user, and for each process what it
                                                             shows the others, in /tls/NAME; the authority stays in /authority
    first_start.py layout --nodes N --replicas R ...         wait for N storage nodes, then apply the first layout

Promises: run again it changes nothing that is good: certificates are renewed in their last 90 days, a layout is applied only
if there never was one. A process finds in its directory the authority's certificate, its own and its key, and nothing else.
Runs ``holdfast``, and the standard library, in the image of the cluster; ``prepare`` as root, who may hand files
over, and without a network.

Never: shows a key, replaces the authority.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from holdfast.cli import app

USER: Final = 10001
AUTHORITY: Final = Path("/authority")
TLS: Final = Path("/tls")
_RENEW_DAYS: Final = 90
_LOOK_SECONDS: Final = 1.0
_WAIT_SECONDS: Final = 300.0


class GaveUpError(Exception):
    """Something did not come about; the message says what, and what was said last."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a command of ours ended, and what it said."""

    code: int
    out: str
    err: str


def holdfast(*words: str) -> Done:
    """Run it here: a process for each of a dozen certificates would take longer than all else."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            app(list(words))
        except SystemExit as end:
            return Done(int(end.code or 0), out.getvalue(), err.getvalue())
    return Done(0, out.getvalue(), err.getvalue())


def must(*words: str) -> str:
    """Raises GaveUpError."""
    done = holdfast(*words)
    if done.code:
        raise GaveUpError(f"holdfast {' '.join(words)}: {done.err.strip() or done.out.strip()}")
    return done.out


def prepare(
    directories: list[Path], processes: list[str], cluster: str, authority: Path = AUTHORITY, tls: Path = TLS
) -> None:
    """Raises GaveUpError."""
    for directory in directories:
        # Below a volume's root, which a program's image may cover with what it has at that place while the volume is empty.
        if not directory.exists():
            directory.mkdir(mode=0o700)
            os.chown(directory, USER, USER)
    if not (authority / "ca.crt").exists():
        sys.stdout.write(must("certs", "init", str(authority), "--name", cluster))
    for process in processes:
        role, _, name = process.partition(":")
        if not is_good(tls / name, authority):
            issue(role, name, authority, tls / name)


def is_good(home: Path, authority: Path) -> bool:
    """Whether a process has all it needs, by this authority and for a while."""
    files = [home / name for name in ("ca.crt", "process.crt", "process.key")]
    if not all(file.exists() for file in files) or files[0].read_bytes() != (authority / "ca.crt").read_bytes():
        return False
    shown = json.loads(holdfast("certs", "show", "--json", str(files[1])).out)
    return bool(shown[0].get("daysLeft", 0) >= _RENEW_DAYS)


def issue(role: str, name: str, authority: Path, home: Path) -> None:
    """A new certificate, handed over. The key goes before its certificate, which is what running processes watch."""
    hosts = [word for host in (name, "localhost", "127.0.0.1") for word in ("--host", host)] if role != "ops" else []
    sys.stdout.write(must("certs", "issue", str(authority), name, "--role", role, "--force", *hosts))
    hand_over(authority / "ca.crt", home / "ca.crt")
    for suffix in ("key", "crt"):
        hand_over(authority / f"{name}.{suffix}", home / f"process.{suffix}")
        (authority / f"{name}.{suffix}").unlink()


def hand_over(source: Path, target: Path) -> None:
    fresh = target.with_name(f".{target.name}")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out, source.open("rb") as data:  # noqa: PTH123 - with its mode
        shutil.copyfileobj(data, out)
        os.fchown(out.fileno(), USER, USER)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(target)


def layout(nodes: int, options: list[str]) -> None:
    """Raises GaveUpError: the nodes did not come, or the layout is refused."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while (applied := _asked("layout", "history")) is None:
        _pause(deadline, "etcd does not answer")
    if applied:
        print(f"layout {applied[-1]['version']} is there: nothing to do")  # noqa: T201 - for the log
        return
    while len((_asked("layout", "plan", *options) or {}).get("nodes", ())) < nodes:
        _pause(deadline, f"fewer than {nodes} storage nodes have joined")
    sys.stdout.write(must("layout", "apply", "--yes", *options))


def _asked(*words: str) -> Any:
    """The answer of a command, None when it gives none (yet)."""
    with contextlib.suppress(json.JSONDecodeError):
        return json.loads(holdfast(*words, "--json").out)
    return None


def _pause(deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise GaveUpError(what)
    time.sleep(_LOOK_SECONDS)


def main(words: list[str] | None = None) -> int:
    """0: done; 1: not, and why."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    before = steps.add_parser("prepare")
    before.add_argument("--make", default="", metavar="DIR,...")
    before.add_argument("--cluster", default="holdfast")
    before.add_argument("processes", nargs="+", metavar="ROLE:NAME")
    first = steps.add_parser("layout")
    first.add_argument("--nodes", type=int, required=True)
    first.add_argument("--replicas", default="3")
    first.add_argument("--write-quorum", default="2")
    parsed = parser.parse_args(words)
    try:
        if parsed.step == "prepare":
            directories = [Path(name) for name in parsed.make.split(",") if name]
            prepare(directories, parsed.processes, parsed.cluster)
        else:
            layout(parsed.nodes, ["--replicas", parsed.replicas, "--write-quorum", parsed.write_quorum])
    except (GaveUpError, OSError) as error:
        print(f"first_start: {error}", file=sys.stderr)  # noqa: T201 - for the log
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
