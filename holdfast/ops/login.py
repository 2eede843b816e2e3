"""How commands of users reach a registry over HTTP: its address, and a login that is asked for, read, or docker's own.

Promises: a password is taken from standard input, from docker's config.json, or asked for at the terminal; never from the command
line, where other users of the machine see it. A host without a scheme is spoken to by HTTPS, but for this machine itself, as docker
does. What the registry refuses ends with 1 and its own words.

Never: writes a password anywhere.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import typer

from holdfast.errors import HoldfastError, RequestInvalidError
from holdfast.ops.bench import endpoint as endpoints
from holdfast.ops.bench.auth import Credentials
from holdfast.ops.bench.endpoint import Dialer
from holdfast.ops.bench.http import Connection, Request
from holdfast.ops.console import refuse
from syncworker.upstream.credentials import DockerConfig
from syncworker.upstream.programs import CredentialProgram

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from holdfast.ops.bench.endpoint import Endpoint
    from syncworker.upstream.credentials import Credentials as DockerLogin

Url: TypeAlias = Annotated[str, typer.Argument(metavar="URL", help="The registry: https://host:port, or host:port.")]
User: TypeAlias = Annotated[
    str | None, typer.Option("--user", "-u", help="Who; without it docker's own login for this registry.")
]
FromInput: TypeAlias = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, for scripts.")
]
CaFile: TypeAlias = Annotated[
    Path | None, typer.Option("--ca-file", help="Authorities for HTTPS, instead of the system's.")
]
Insecure: TypeAlias = Annotated[bool, typer.Option("--insecure", help="Take any certificate.")]

_TIMEOUT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Registry:
    """``login`` None: nobody in particular."""

    endpoint: Endpoint
    dialer: Dialer
    login: Credentials | None

    def ask(self, method: str, target: str, body: object = None) -> dict[str, Any]:
        """The JSON object that it answers with. Raises AnswerError; RequestInvalidError: it refuses, with its reason."""
        headers = [("Accept", "application/json")]
        if self.login is not None:
            headers.append(("Authorization", self.login.basic()))
        data = b"" if body is None else json.dumps(body).encode()
        if data:
            headers.append(("Content-Type", "application/json"))
        with Connection(self.endpoint, self.dialer) as connection:
            answer = connection.exchange(Request(method, target, tuple(headers), data))
        found = _object(answer.body)
        if answer.status >= 300:
            raise RequestInvalidError(f"{self.endpoint.url} refuses ({answer.status}): {_reason(found)}")
        return found


@contextlib.contextmanager
def registry(
    url: str, user: str | None, ca_file: Path | None, *, from_input: bool, insecure: bool, needed: bool = True
) -> Iterator[Registry]:
    """For the length of a command. ``needed``: it is for nobody without a login."""
    try:
        where = endpoint_of(url)
        login = _login(where, user, os.environ, from_input=from_input)
        if login is None and needed:
            raise refuse([f"who? name --user, or `docker login {where.authority}` before"])
        yield Registry(where, Dialer(_TIMEOUT_SECONDS, insecure, ca_file), login)
    except HoldfastError as error:
        raise refuse([error.message]) from error


def endpoint_of(url: str) -> Endpoint:
    """Raises RequestInvalidError: it is no address of a registry."""
    if "://" in url:
        return endpoints.parse(url)
    plain = endpoints.parse(f"http://{url}")
    return plain if _is_this_machine(plain.host) else endpoints.parse(f"https://{url}")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _login(
    where: Endpoint, user: str | None, environment: Mapping[str, str], *, from_input: bool
) -> Credentials | None:
    if user:
        return Credentials(user, sys.stdin.readline().rstrip("\r\n") if from_input else _asked(user))
    folder = environment.get("DOCKER_CONFIG") or Path(environment.get("HOME", "/")) / ".docker"
    docker = DockerConfig(Path(folder) / "config.json", lambda name: _Helper(CredentialProgram(name, environment)))
    found = docker.login(where.authority)
    return Credentials(found.username, found.password) if found is not None and found.password else None


@dataclass(frozen=True, slots=True)
class _Helper:
    """One of docker's credential helpers, asked once a command: there is nothing to forget when its login is refused."""

    program: CredentialProgram

    def login(self, host: str) -> DockerLogin | None:
        return self.program.login(host)

    def refused(self, _host: str, _login: DockerLogin) -> None:
        return


def _asked(user: str) -> str:
    return str(typer.prompt(f"Password of {user}", hide_input=True, err=True))


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _reason(found: dict[str, Any]) -> str:
    try:
        return str(found["errors"][0]["message"])
    except (KeyError, IndexError, TypeError):
        return "no reason given; is it a holdfast with http.auth.apikey?"
