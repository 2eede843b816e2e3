"""Conditions of policies: CEL expressions over what is known of a request.

    req.time  req.method  req.userAgent  req.action  req.repository  req.reference  req.referenceType ("tag", "digest", "")
    req.tag  req.digest  req.user.name  req.user.groups  req.auth.method  req.client.ip  req.client.forwardedFor
    req.tls.version ("" without TLS, "TLSv1.3")  req.tls.cipher  req.tls.client.subject  .issuer  .serial  .fingerprint
    req.tls.client.uris  .dnsNames  .emails (empty without a client certificate)

Promises: what does not compile is refused when the configuration is read. What cannot be evaluated (a name that is not there, a
result that is no truth value) does not hold: a mistake in a condition opens nothing. Expressions have no loops but those over
lists of the request, and their regular expressions run in linear time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from holdfast.access.connection import Connection
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    import cel

    from holdfast.access.actions import Action
    from holdfast.access.identity import Identity

# A chain of twenty thousand additions overflows the library's stack, and ends the process with it.
_LONGEST: Final = 4_096


@dataclass(frozen=True, slots=True)
class Facts:
    """What a request says beside who asks and what for. ``reference``: a tag or digest as written, "" where there is none.
    ``session``: the cookie of a browser's session; no condition sees it.
    """

    method: str = ""
    user_agent: str = ""
    reference: str = ""
    client_address: str = ""
    forwarded_for: str = ""
    wall_seconds: float = 0.0
    session: str = field(default="", repr=False)
    connection: Connection = Connection()  # noqa: RUF009 - frozen

    def values(self, identity: Identity, groups: frozenset[str], action: Action, repository: str) -> dict[str, Any]:
        """The variables of an expression."""
        kind = "" if not self.reference else "digest" if ":" in self.reference else "tag"
        request = {
            "time": datetime.fromtimestamp(self.wall_seconds, UTC),
            "method": self.method,
            "userAgent": self.user_agent,
            "action": action.value,
            "repository": repository,
            "reference": self.reference,
            "referenceType": kind,
            "tag": self.reference if kind == "tag" else "",
            "digest": self.reference if kind == "digest" else "",
            "user": {"name": identity.name, "groups": sorted(groups)},
            "auth": {"method": identity.way.value},
            "client": {"ip": self.client_address, "forwardedFor": self.forwarded_for},
            "tls": self.connection.values(),
        }
        return {"req": request}


@dataclass(frozen=True, slots=True)
class Condition:
    """One compiled expression, and what is told to whom it refuses.

    Raises:
        ConfigError: it does not compile, or is too long.
    """

    expression: str
    message: str = ""
    _program: cel.Program = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.expression) > _LONGEST:
            raise ConfigError(f"an expression has at most {_LONGEST} characters; this one has {len(self.expression)}")
        # It brings a prompt with it, which takes longer to import than all of ours: for those who write expressions only.
        import cel  # noqa: PLC0415

        try:
            program = cel.compile(self.expression)
        except ValueError as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"not a CEL expression: {self.expression!r}: {reason}") from error
        object.__setattr__(self, "_program", program)

    def holds(self, values: dict[str, Any]) -> bool:
        try:
            return self._program.execute(values) is True
        except (ValueError, TypeError, KeyError, RuntimeError, IndexError, OverflowError, ArithmeticError):
            return False
