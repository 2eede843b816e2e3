"""Logins at upstreams, and the files that hold them.

    credentialsFile        zot's: {"host[:port]": {"username", "password"}}
    docker's config.json   auths (user and password, or an identity token), credHelpers, credsStore

:class:`CredentialSource` is the port: short-lived logins (ecr, gcp, oauth2, and what docker's helpers print) are sources behind it,
kept by :mod:`syncworker.upstream.lasting`. A source is asked again when an upstream refuses what it gave, and is told so before.

Promises: no file is read but the one that is named; there is no default below a home directory.

Never: a secret in a message or a ``repr``.
"""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from holdfast.config.secretfiles import load_upstream_credentials
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_LARGEST_FILE_BYTES: Final = 4 << 20
# How docker's file names Docker Hub, which is another host than the one that is asked.
_HUB: Final = "registry-1.docker.io"
_HUB_NAMES: Final = ("https://index.docker.io/v1/", "index.docker.io", "docker.io")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user with a password, or an identity token (an OAuth 2 refresh token) that is good at the token service only.

    From ``fresh_until`` (of the monotonic clock) on, whoever keeps it asks the source again.
    """

    username: str
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    fresh_until: float = field(default=math.inf, repr=False, compare=False)

    def basic(self) -> str:
        """The value of an ``Authorization`` header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


class CredentialSource(Protocol):
    """Where logins come from."""

    def login(self, host: str) -> Credentials | None:
        """For this host (with its port unless that is the scheme's own); None: nobody has one, go as nobody.

        Raises:
            UpstreamUnavailableError: the source itself does not answer; the next try may succeed.
            ConfigError: its file or program is unusable.
        """
        ...

    def refused(self, host: str, login: Credentials) -> None:
        """The host did not take this login: it is not to be handed out from memory again."""
        ...


@dataclass(frozen=True, slots=True)
class Listed:
    """Logins at hand, by host."""

    logins: Mapping[str, Credentials] = field(default_factory=dict)

    def login(self, host: str) -> Credentials | None:
        return next((self.logins[name] for name in _names(host) if name in self.logins), None)

    def refused(self, host: str, login: Credentials) -> None:
        """Nothing is kept."""


@dataclass(frozen=True, slots=True)
class CredentialsFile:
    """zot's file, read anew each time it is asked, so that a rotated password needs no restart."""

    path: Path

    def login(self, host: str) -> Credentials | None:
        """As the port says; raises ConfigError when the file cannot be read."""
        found = load_upstream_credentials(self.path)
        listed = {
            _host_of(name): Credentials(one.username, one.password.get_secret_value()) for name, one in found.items()
        }
        return Listed(listed).login(host)

    def refused(self, host: str, login: Credentials) -> None:
        """Nothing is kept."""


@dataclass(frozen=True, slots=True)
class InOrder:
    """The first of several sources that has a login."""

    sources: Sequence[CredentialSource]

    def login(self, host: str) -> Credentials | None:
        for source in self.sources:
            found = source.login(host)
            if found is not None:
                return found
        return None

    def refused(self, host: str, login: Credentials) -> None:
        for source in self.sources:
            source.refused(host, login)


class Program(Protocol):
    """The source that a ``docker-credential-NAME`` program is; for one name always the same, so that it may keep logins."""

    def __call__(self, name: str) -> CredentialSource: ...


@dataclass(frozen=True, slots=True)
class DockerConfig:
    """docker's ``config.json``, read anew each time. ``program`` is how its credential helpers are reached."""

    path: Path
    program: Program

    def login(self, host: str) -> Credentials | None:
        """As the port says; a file that is not there has no logins."""
        config = self._read()
        names = _names(host)
        for name, helper in _asked(config, names):
            found = self.program(helper).login(name)
            if found is not None:
                return found
        auths = {_host_of(name): entry for name, entry in _mapping(config.get("auths")).items()}
        return next((_entry(self.path, auths[n]) for n in map(_host_of, names) if n in auths), None)

    def refused(self, host: str, login: Credentials) -> None:
        for name, helper in _asked(self._read(), _names(host)):
            self.program(helper).refused(name, login)

    def _read(self) -> dict[str, Any]:
        try:
            with self.path.open("rb") as file:
                text = file.read(_LARGEST_FILE_BYTES)
            config = json.loads(text)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ConfigError(f"{self.path} cannot be read as docker's config.json") from error
        return _mapping(config)


def _names(host: str) -> tuple[str, ...]:
    """Under which a login for this host may be kept."""
    return (host, *(_HUB_NAMES if host == _HUB else ()))


def _asked(config: Mapping[str, Any], names: Sequence[str]) -> list[tuple[str, str]]:
    """Which helpers are asked, and for which names: the host's own before the store for all."""
    helpers, store = _mapping(config.get("credHelpers")), config.get("credsStore")
    return [(name, str(helper)) for name in names if (helper := helpers.get(name) or store)]


def _entry(path: Path, entry: object) -> Credentials | None:
    """One member of ``auths``; None when it only notes that a login happened (the secret is in a store then)."""
    values = _mapping(entry)
    username, password = str(values.get("username") or ""), str(values.get("password") or "")
    if values.get("auth"):
        try:
            username, _, password = base64.b64decode(str(values["auth"]), validate=True).decode().partition(":")
        except ValueError as error:
            raise ConfigError(f"{path} has an auth that is not base64 of user:password") from error
    token = str(values.get("identitytoken") or "")
    # Old dockers pad the password with NUL.
    password = password.rstrip("\0")
    return Credentials(username, password, token) if token or username or password else None


def _host_of(name: str) -> str:
    """Docker writes hosts also as URLs."""
    return name.removeprefix("https://").removeprefix("http://").partition("/")[0]


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
