"""docker's credential helpers: ``docker-credential-NAME get``, the host on standard input, JSON on standard output.

Promises: no shell, a time limit, bounded output, and an environment that is given. A helper that knows no login is no error.

Never: shows what a helper printed; it may be half a secret.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import ConfigError, UpstreamUnavailableError
from syncworker.upstream.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}", re.ASCII)
# How helpers say that a name is not theirs (docker-credential-helpers, credentials/error.go); they exit with 1.
_NOT_FOUND: Final = "credentials not found"
# The user name under which a helper hands out an identity token.
_TOKEN_USER: Final = "<token>"  # noqa: S105 - a name
_SECONDS: Final = 30.0
_LARGEST_ANSWER_CHARACTERS: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class CredentialProgram:
    """The source that one helper is. ``environment`` is all that it sees; its PATH is where it is looked for."""

    name: str
    environment: Mapping[str, str]
    seconds: float = _SECONDS

    def login(self, host: str) -> Credentials | None:
        """As the port says.

        Raises:
            ConfigError: there is no such program, or its answer is not of the protocol.
            UpstreamUnavailableError: it failed, or took too long.
        """
        if not _NAME.fullmatch(self.name):
            raise ConfigError("the name of a credential helper is letters, digits, dots and dashes")
        program = shutil.which(f"docker-credential-{self.name}", path=self.environment.get("PATH", ""))
        if program is None:
            raise ConfigError(f"docker-credential-{self.name} is not on PATH; install it or take it out of config.json")
        done = self._run(program, host)
        if done.returncode:
            if _NOT_FOUND in (done.stdout + done.stderr).lower():
                return None
            raise UpstreamUnavailableError(f"docker-credential-{self.name} ended with {done.returncode} for {host}")
        return self._read(done.stdout)

    def _run(self, program: str, host: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(  # noqa: S603 - the operator's config.json names it, and no shell is there to be fooled
                [program, "get"],
                input=f"{host}\n",
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=dict(self.environment),
                timeout=self.seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise UpstreamUnavailableError(
                f"docker-credential-{self.name} said nothing for {self.seconds:g} s"
            ) from error
        except OSError as error:
            raise ConfigError(f"docker-credential-{self.name} cannot be run: {error.strerror}") from error

    def _read(self, text: str) -> Credentials:
        try:
            answer = json.loads(text[:_LARGEST_ANSWER_CHARACTERS])
            username, secret = answer["Username"], answer["Secret"]
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"docker-credential-{self.name} does not answer as a credential helper") from error
        if not isinstance(username, str) or not isinstance(secret, str):
            raise ConfigError(f"docker-credential-{self.name} does not answer as a credential helper")
        return Credentials("", identity_token=secret) if username == _TOKEN_USER else Credentials(username, secret)
