"""The registries at both ends, reached by the client that mirrors use: logins, certificates, retries, and limits of requests.

Promises: a password comes from standard input, from the terminal, or from docker's config.json; never from the command line. A
host without a scheme is spoken to by HTTPS, but for this machine itself, as docker does.
"""

from __future__ import annotations

import os
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer
from pydantic import TypeAdapter, ValidationError

from holdfast.clock import SystemClock
from holdfast.config.scalars import ByteSize
from holdfast.config.sync import SyncRegistry
from holdfast.errors import RequestInvalidError
from holdfast.ops.login import endpoint_of
from syncworker.upstream import assembly
from syncworker.upstream.assembly import Surroundings
from syncworker.upstream.credentials import Credentials, DockerConfig, Listed
from syncworker.upstream.logins import Programs, passed_on
from syncworker.upstream.pace import Time
from syncworker.upstream.place import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncworker.upstream.credentials import CredentialSource
    from syncworker.upstream.target import Target
    from syncworker.upstream.upstream import Upstream

DEFAULT: Final = "http://127.0.0.1:5000"
# A gateway that is restarted is back in a few seconds; a pause within a call is at most five of them.
_RETRIES: Final = 5

Concurrent: TypeAlias = Annotated[
    int, typer.Option("--concurrent", "-j", min=1, max=64, help="How many blobs at once.")
]
Rate: TypeAlias = Annotated[
    str, typer.Option("--rate", metavar="SIZE", help='Bytes in a second at most, such as "50MiB"; absent: no limit.')
]


@dataclass(frozen=True, slots=True)
class End:
    """A registry. ``user`` None: docker's own login for it, or nobody."""

    url: str
    user: str | None = None
    cert_dir: Path | None = None
    insecure: bool = False
    concurrent: int = 4


def real_time() -> Time:
    return Time(SystemClock(), time.sleep, random.random)


def target(end: End, password: str | None, around: Time) -> Target:
    """Raises ConfigError, RequestInvalidError: an address or certificates that cannot be used."""
    return assembly.target(_entry(end), _surroundings(end, password, around))


def upstream(end: End, password: str | None, around: Time) -> Upstream:
    """Raises as :func:`target`."""
    return assembly.upstream(_entry(end), _surroundings(end, password, around))


def passwords(ends: Sequence[End | None], *, from_input: bool) -> list[str | None]:
    """Of each end that names a user, in their order: a line of standard input each, or asked for."""
    return [_password(end, from_input=from_input) if end is not None and end.user else None for end in ends]


def _password(end: End, *, from_input: bool) -> str:
    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt(f"Password of {end.user} at {end.url}", hide_input=True, err=True))


def _entry(end: End) -> SyncRegistry:
    return SyncRegistry.model_validate(
        {
            "urls": [_url(end.url)],
            "tlsVerify": not end.insecure,
            "certDir": str(end.cert_dir or ""),
            "maxRetries": _RETRIES,
            "retryDelay": "1s",
            "maxRetryDelay": "5s",
            # One for each blob, as many for manifests, which never wait for blobs.
            "reqConcurrent": 2 * end.concurrent,
            "maxIdleConnsPerHost": 2 * end.concurrent,
        }
    )


def _url(text: str) -> str:
    return text if "://" in text else _with_scheme(text)


def _with_scheme(text: str) -> str:
    host, slash, path = text.partition("/")
    return f"{endpoint_of(host).url}{slash}{path}"


def _surroundings(end: End, password: str | None, around: Time) -> Surroundings:
    if end.user:
        host = parse(_url(end.url)).origin.authority
        logins: tuple[CredentialSource, ...] = (Listed({host: Credentials(end.user, password or "")}),)
    else:
        folder = os.environ.get("DOCKER_CONFIG") or Path(os.environ.get("HOME", "/")) / ".docker"
        programs = Programs(passed_on(os.environ), around.clock)
        logins = (DockerConfig(Path(folder) / "config.json", programs),)
    return Surroundings(around, logins)


def bytes_per_second(text: str) -> int:
    """What ``--rate`` says; 0: no limit. Raises RequestInvalidError."""
    if not text:
        return 0
    try:
        return int(TypeAdapter(ByteSize).validate_python(text.removesuffix("/s")))
    except ValidationError as error:
        raise RequestInvalidError(f'--rate {text!r} is no number of bytes, such as "50MiB"') from error
