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

import binascii
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gateway.access.ways import Proven
from holdfast.access import scopes
from holdfast.access.actions import Action
from holdfast.access.conditions import Facts
from holdfast.access.places import Places
from holdfast.access.rights import Verdict
from holdfast.errors import DeniedError, LoginNeededError, LoginRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.access.ways import Ways
    from holdfast.access.identity import Identity
    from holdfast.access.rights import Rights
    from holdfast.access.scopes import Scope

_LONGEST_HEADER: Final = 16 * 1024
_OWN: Final = Verdict(allowed=True, rule="the account's own scopes")
# The rule that no login changes.
_PLACE: Final = "http.allow"


@dataclass(frozen=True, slots=True)
class Caller:
    """``facts`` are what conditions may look at. ``by_token``: a Bearer token was shown."""

    proven: Proven = Proven()  # noqa: RUF009 - frozen
    facts: Facts = Facts()  # noqa: RUF009 - frozen
    by_token: bool = False

    @property
    def identity(self) -> Identity:
        return self.proven.identity

    def about(self, reference: str) -> Caller:
        """The same, asking about this tag or digest."""
        return replace(self, facts=replace(self.facts, reference=reference))


NOBODY: Final = Caller()


class Gate:
    """Shared by threads."""

    def __init__(self, rights: Rights, ways: Ways, places: Places | None = None) -> None:
        self._rights = rights
        self._places = places or Places()
        self._ways = ways

    @property
    def knows_somebody(self) -> bool:
        return self._ways.knows_somebody

    def who(self, authorization: str | None, facts: Facts) -> Caller:
        """Raises LoginRefusedError, TooManyLoginsError, OverloadedError, UnavailableError."""
        if not self._ways.knows_somebody:
            return Caller(facts=facts)
        if not authorization:
            return Caller(self._ways.by_nothing(facts), facts)
        if len(authorization) > _LONGEST_HEADER:
            raise LoginRefusedError("the credentials are too long")
        kind, _, rest = authorization.partition(" ")
        if kind.lower() == "basic" and self._ways.passwords:
            return Caller(self._by_password(rest, facts), facts)
        if kind.lower() == "bearer":
            return Caller(self._ways.by_token(rest.strip()), facts, by_token=True)
        raise LoginRefusedError("credentials of this kind are not taken here; get a token")

    def _by_password(self, encoded: str, facts: Facts) -> Proven:
        try:
            text = binascii.a2b_base64(encoded.strip(), strict_mode=True).decode()
        except ValueError as error:  # no base64, no UTF-8, or letters that base64 does not even look at
            raise LoginRefusedError("the credentials are malformed") from error
        user, colon, password = text.partition(":")
        if not user and not password and colon:
            return self._ways.by_nothing(facts)  # podman without a login sends it
        return self.login(user, password, facts.client_address)

    def login(self, user: str, password: str, address: str) -> Proven:
        """Raises as ``who``."""
        return self._ways.by_password(user, password, address)

    def greet(self, caller: Caller) -> None:
        """``/v2/`` itself: clients learn from this one answer whether to send credentials, and how (docker, podman).

        Raises:
            LoginNeededError: somebody can log in, and this caller shows neither password nor token.
        """
        if self.knows_somebody and caller.identity.is_anonymous and not caller.by_token:
            raise LoginNeededError("log in, or ask for a token")

    def admit(self, caller: Caller) -> None:
        """What belongs to no repository. Raises LoginNeededError: only somebody may do anything here (CVE-2020-29662)."""
        if self._is_ruled_elsewhere(caller):
            if not caller.by_token or not all(limit.shows_catalog for limit in caller.proven.limits):
                raise LoginNeededError("this needs a token for the catalog", scope=str(scopes.WHOLE_CATALOG))
        elif self.knows_somebody and caller.identity.is_anonymous and not self._rights.serves_anybody:
            raise LoginNeededError("this registry is for those who log in")

    def require_whole(self, caller: Caller) -> None:
        """What is about no repository is not for a token or key that is for some. Raises LoginNeededError."""
        if not all(limit.shows_catalog for limit in caller.proven.limits):
            raise LoginNeededError("this needs credentials that are for more than some repositories")

    def may(self, caller: Caller, action: Action, repository: str) -> bool:
        return self.decide(caller, action, repository).allowed and self._grants(caller, action, repository)

    def decide(self, caller: Caller, action: Action, repository: str) -> Verdict:
        """What the rules say, whatever a token is for. Where nobody may, the rest is not asked."""
        if not self._places.allow(action, caller.facts.client_address):
            return Verdict(allowed=False, rule=_PLACE, message=f"not from {caller.facts.client_address or 'here'}")
        if _is_own(caller.proven, action, repository):
            return _OWN
        return self._rights.decide(caller.identity, action, repository, caller.facts)

    def lists(self, caller: Caller, repository: str) -> bool:
        """Whether the catalog names it to this caller."""
        readable = self.decide(caller, Action.READ, repository).allowed
        return readable and all(limit.lists(repository) for limit in caller.proven.limits)

    def groups_of(self, caller: Caller) -> frozenset[str]:
        return self._rights.groups_of(caller.identity)

    def require(self, caller: Caller, action: Action, repository: str) -> None:
        """Raises LoginNeededError, DeniedError."""
        verdict = self.decide(caller, action, repository)
        if verdict.allowed and self._grants(caller, action, repository):
            return
        asked = str(scopes.needed(action, repository))
        wants_another = (verdict.allowed and caller.by_token) or caller.identity.is_anonymous
        if self.knows_somebody and wants_another and verdict.rule != _PLACE:
            raise LoginNeededError(
                f"this needs somebody who may {action.value} in {repository}", {"name": repository}, scope=asked
            )
        detail = {"name": repository, "action": action.value}
        if verdict.allowed:
            detail["reason"] = "the scopes of the key or account do not hold it"
        elif verdict.message:
            detail["reason"] = verdict.message
        raise DeniedError(f"you may not {action.value} in {repository}", detail)

    def granted(self, proven: Proven, asked: Sequence[Scope]) -> tuple[Scope, ...]:
        """What of a scope a token for this caller gets."""

        def could(action: Action, repository: str) -> bool:
            within = all(limit.allows(action, repository) for limit in proven.limits)
            return within and (
                _is_own(proven, action, repository) or self._rights.could(proven.identity, action, repository)
            )

        return scopes.granted(asked, could)

    def _grants(self, caller: Caller, action: Action, repository: str) -> bool:
        if self._is_ruled_elsewhere(caller) and not caller.by_token:
            return False
        return all(limit.allows(action, repository) for limit in caller.proven.limits)

    def _is_ruled_elsewhere(self, caller: Caller) -> bool:
        """Whether another service's token says what this caller may: all of it is in ``limits``."""
        return self._ways.needs_token and (bool(caller.proven.limits) or caller.identity.is_anonymous)


def _is_own(proven: Proven, action: Action, repository: str) -> bool:
    """Whether it is a right that the account brings itself. To be kept from deleting is none."""
    return proven.own is not None and action is not Action.DETECT_COLLISION and proven.own.allows(action, repository)
