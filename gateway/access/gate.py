"""The one door: who asks, and whether it may.

    who        credentials -> caller; wrong ones are refused whatever is asked for
    require    caller, action, repository -> nothing, or why not
    may        the same as a question, for lists and mounts

Promises
  * Every route passes here (one policy gate for every mutating route: CVE-2026-41888); none decides by itself.
  * Nobody in particular is told to log in where somebody might be allowed; who is somebody is told no. Neither depends on what is
    stored.
  * A token allows no more than its grant, and no more than its owner may at this moment.

Never here: HTTP beyond the value of an Authorization header.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from holdfast.access import scopes
from holdfast.access.conditions import Facts
from holdfast.access.identity import ANONYMOUS, Identity
from holdfast.errors import DeniedError, LoginNeededError, LoginRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.access.logins import Logins
    from gateway.access.tokens import Bearer
    from holdfast.access.actions import Action
    from holdfast.access.rights import Rights, Verdict
    from holdfast.access.scopes import Grant, Scope

_LONGEST_HEADER: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Caller:
    """``grant`` None: not by token, so all that its rights allow. ``facts`` are what conditions may look at."""

    identity: Identity = ANONYMOUS
    grant: Grant | None = None
    facts: Facts = Facts()  # noqa: RUF009 - frozen

    def about(self, reference: str) -> Caller:
        """The same, asking about this tag or digest."""
        return replace(self, facts=replace(self.facts, reference=reference))


NOBODY: Final = Caller()


class TokenReader(Protocol):
    """Ours, or another service's."""

    def read(self, text: str) -> Bearer:
        """Raises LoginRefusedError, MetadataUnavailableError."""
        ...


class Gate:
    """``logins`` None: nobody logs in here. ``tokens`` without them are another service's: nothing goes without one then."""

    def __init__(self, rights: Rights, logins: Logins | None, tokens: TokenReader | None) -> None:
        self._rights = rights
        self._logins = logins
        self._tokens = tokens
        self._needs_token = logins is None and tokens is not None

    @property
    def knows_somebody(self) -> bool:
        return self._tokens is not None

    def who(self, authorization: str | None, facts: Facts) -> Caller:
        """Raises LoginRefusedError, TooManyLoginsError, OverloadedError, MetadataUnavailableError."""
        if not authorization or self._tokens is None:
            return Caller(facts=facts)
        kind, _, rest = authorization[:_LONGEST_HEADER].partition(" ")
        if kind.lower() == "basic" and self._logins is not None:
            return Caller(self._by_password(rest, facts.client_address), None, facts)
        if kind.lower() == "bearer":
            bearer = self._tokens.read(rest.strip())
            return Caller(bearer.identity, bearer.grant, facts)
        raise LoginRefusedError("credentials of this kind are not taken here; get a token")

    def _by_password(self, encoded: str, address: str) -> Identity:
        try:
            text = base64.b64decode(encoded.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise LoginRefusedError("the credentials are malformed") from error
        user, colon, password = text.partition(":")
        if not user and not password and colon:
            return ANONYMOUS  # podman without a login sends it
        return self.login(user, password, address)

    def login(self, user: str, password: str, address: str) -> Identity:
        """Raises as ``who``."""
        if self._logins is None:
            raise LoginRefusedError("nobody can log in here")
        return self._logins.check(user, password, address)

    def greet(self, caller: Caller) -> None:
        """``/v2/`` itself: clients learn from this one answer whether to send credentials, and how (docker, podman).

        Raises:
            LoginNeededError: somebody can log in, and this caller shows neither password nor token.
        """
        if self.knows_somebody and caller.identity.is_anonymous and caller.grant is None:
            raise LoginNeededError("log in, or ask for a token")

    def admit(self, caller: Caller) -> None:
        """What belongs to no repository. Raises LoginNeededError: only somebody may do anything here (CVE-2020-29662)."""
        if self._needs_token:
            if caller.grant is None or not caller.grant.shows_catalog:
                raise LoginNeededError("this needs a token for the catalog", scope=str(scopes.WHOLE_CATALOG))
        elif self.knows_somebody and caller.identity.is_anonymous and not self._rights.serves_anybody:
            raise LoginNeededError("this registry is for those who log in")

    def may(self, caller: Caller, action: Action, repository: str) -> bool:
        return self.decide(caller, action, repository).allowed and self._grants(caller, action, repository)

    def decide(self, caller: Caller, action: Action, repository: str) -> Verdict:
        """What the rules say, whatever a token is for."""
        return self._rights.decide(caller.identity, action, repository, caller.facts)

    def require(self, caller: Caller, action: Action, repository: str) -> None:
        """Raises LoginNeededError, DeniedError."""
        verdict = self.decide(caller, action, repository)
        if verdict.allowed and self._grants(caller, action, repository):
            return
        asked = str(scopes.needed(action, repository))
        if self.knows_somebody and (verdict.allowed or caller.identity.is_anonymous):
            raise LoginNeededError(
                f"this needs somebody who may {action.value} in {repository}", {"name": repository}, scope=asked
            )
        detail = {"name": repository, "action": action.value}
        if verdict.message:
            detail["reason"] = verdict.message
        raise DeniedError(f"you may not {action.value} in {repository}", detail)

    def granted(self, identity: Identity, asked: Sequence[Scope]) -> tuple[Scope, ...]:
        """What of a scope a token for this identity gets."""

        def could(action: Action, repository: str) -> bool:
            return self._rights.could(identity, action, repository)

        return scopes.granted(asked, could)

    def _grants(self, caller: Caller, action: Action, repository: str) -> bool:
        if caller.grant is None:
            return not self._needs_token
        return caller.grant.allows(action, repository)
