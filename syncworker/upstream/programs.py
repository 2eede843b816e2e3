"""docker's credential helpers: ``docker-credential-NAME get``, the host on standard input, JSON on standard output.

Promises: no shell, a time limit, bounded output, and an environment that is given. A helper that knows no login is no error. One
that is late or says too much is killed, with whatever it started.

Never: shows what a helper printed; it may be half a secret.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
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
_LARGEST_ANSWER_BYTES: Final = 64 << 10


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
        code, text = self._run(program, host)
        if code:
            if _NOT_FOUND in text.lower():
                return None
            raise UpstreamUnavailableError(f"docker-credential-{self.name} ended with {code} for {host}")
        return self._read(text)

    def _run(self, program: str, host: str) -> tuple[int, str]:
        """Its exit code and what it wrote to standard output, where the protocol has errors, too."""
        try:
            process = subprocess.Popen(  # noqa: S603 - the operator's config.json names it, and no shell is there to be fooled
                [program, "get"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(self.environment),
                start_new_session=True,
            )
        except OSError as error:
            raise ConfigError(f"docker-credential-{self.name} cannot be run: {error.strerror}") from error
        with process:
            return self._finished(process, host)

    def _finished(self, process: subprocess.Popen[bytes], host: str) -> tuple[int, str]:
        late = threading.Event()

        def end() -> None:
            late.set()
            _kill(process)

        timer = threading.Timer(self.seconds, end)
        timer.start()
        try:
            if process.stdin is None or process.stdout is None:
                raise AssertionError("both were asked for")
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(f"{host}\n".encode())
                process.stdin.close()
            answer = process.stdout.read(_LARGEST_ANSWER_BYTES + 1)
            if len(answer) > _LARGEST_ANSWER_BYTES:
                _kill(process)
            # Until here the process is not reaped, so that its number is nobody else's when it is killed.
        finally:
            timer.cancel()
            timer.join()
        code = self._code(process)
        if late.is_set():
            raise UpstreamUnavailableError(f"docker-credential-{self.name} said nothing for {self.seconds:g} s")
        if len(answer) > _LARGEST_ANSWER_BYTES:
            raise ConfigError(f"docker-credential-{self.name} does not answer as a credential helper")
        return code, answer.decode(errors="replace")

    def _code(self, process: subprocess.Popen[bytes]) -> int:
        """It has closed its output, so it is about to end; one that is not is no helper."""
        try:
            return process.wait(self.seconds)
        except subprocess.TimeoutExpired as error:
            _kill(process)
            raise UpstreamUnavailableError(f"docker-credential-{self.name} does not end") from error

    def _read(self, text: str) -> Credentials:
        try:
            answer = json.loads(text)
            username, secret = answer["Username"], answer["Secret"]
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"docker-credential-{self.name} does not answer as a credential helper") from error
        if not isinstance(username, str) or not isinstance(secret, str):
            raise ConfigError(f"docker-credential-{self.name} does not answer as a credential helper")
        return Credentials("", identity_token=secret) if username == _TOKEN_USER else Credentials(username, secret)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With all that it started: it leads a session of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
