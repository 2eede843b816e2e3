"""Workloads with an ID token of an issuer that is trusted (``http.auth.bearer.oidc``): a pod, a CI job, a person with a CLI.

    Authorization: Bearer <ID token>                       as it is
    Authorization: Basic <anything>:<ID token>             for docker and podman login, which know nothing else

Promises
  * Issuer and audience as configured, the issuer's key and its algorithm, and its times; then the claims decide who it is, never a
    user name that somebody typed.
  * Several entries may have the same issuer: the first whose audience and validations fit is taken.
  * What such a token may do is what the rules allow its user; it says nothing of that itself.

Never: remembers a token longer than it counts; logs one.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gateway.access.signed import opened
from gateway.access.ways import Proven
from holdfast.access.identity import Identity, Way
from holdfast.errors import IssuerUnreachableError, LoginRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.access.issuer import Issuer
    from gateway.access.signed import Opened, Verified
    from gateway.access.ways import Standing
    from holdfast.access.claims import ClaimMapping

_REMEMBERED: Final = 5_000


@dataclass(frozen=True, slots=True)
class Trusted:
    """One entry of the configuration."""

    issuer: Issuer
    audiences: tuple[str, ...]
    mapping: ClaimMapping
    # By what was verified: the same claims make the same user.
    _proven: Callable[[Verified], Proven] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_proven", functools.lru_cache(_REMEMBERED)(self._made))

    def is_meant_by(self, found: Opened) -> bool:
        """By what a token says of itself. A token service may sign its own tokens under the same name, for others than us."""
        is_ours = self.issuer.any_name or self.issuer.url == found.issuer
        return is_ours and any(audience in found.audiences for audience in self.audiences)

    def proven(self, text: str) -> Proven:
        """Raises LoginRefusedError, IssuerUnreachableError."""
        return self._proven(self.issuer.read(text, self.audiences))

    def _made(self, found: Verified) -> Proven:
        person = self.mapping.person(found.claims)
        return Proven(Identity(person.name, Way.OIDC, person.groups))


class Workloads:
    """Both a way of tokens and one of passwords. Shared by threads."""

    word: Final = "oidc"

    def __init__(self, trusted: Sequence[Trusted]) -> None:
        self._trusted = tuple(trusted)
        self._of = functools.lru_cache(_REMEMBERED)(self._candidates)

    def recognises(self, text: str) -> bool:
        """Whether it says that it is by one of the issuers, for one of its audiences."""
        return bool(self._of(text))

    def read(self, text: str) -> Proven:
        """Raises LoginRefusedError: of several reasons the last. IssuerUnreachableError: one of them might have counted."""
        failure: LoginRefusedError | IssuerUnreachableError = LoginRefusedError(
            "the token is by no issuer that is known here"
        )
        for trusted in self._of(text):
            try:
                return trusted.proven(text)
            except (LoginRefusedError, IssuerUnreachableError) as error:
                failure = failure if isinstance(failure, IssuerUnreachableError) else error
        raise failure

    def check(self, user: str, password: str, address: str) -> Proven | None:  # noqa: ARG002 - the port's
        """None: the password is no such token. Raises as ``read``. The user name counts for nothing."""
        return self.read(password) if self.recognises(password) else None

    def standing(self, name: str) -> Standing | None:  # noqa: ARG002 - the port's
        """There are no accounts here that could be asked about."""
        return None

    def _candidates(self, text: str) -> tuple[Trusted, ...]:
        try:
            found = opened(text)
        except LoginRefusedError:
            return ()
        return tuple(one for one in self._trusted if one.is_meant_by(found))
