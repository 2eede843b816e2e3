"""Ways to say who one is, and what each of them proves.

    password    user and password, as Basic or at the token endpoint: asked in order, the first that has the account decides
    token       Bearer: the first that recognises it reads it
    unasked     what a request carries without an Authorization header: a client certificate, a cookie

Invariants: what is proven names at most as much as its way allows (``limits``); a token that was got by an account ends when the
account's standing changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from holdfast.access.identity import ANONYMOUS, Identity
from holdfast.errors import LoginRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.access.actions import Action
    from holdfast.access.conditions import Facts


class Limit(Protocol):
    """What a token or key may be used for, whatever its owner may."""

    def allows(self, action: Action, repository: str) -> bool: ...

    @property
    def shows_catalog(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Proven:
    """``limits``: each has to allow what is asked; none: all that the identity may. ``account``: "<word of the way>:<its name
    there>", what tokens stand and fall with; "" for what cannot be asked about again, and gets no refresh tokens.
    """

    identity: Identity = ANONYMOUS
    limits: tuple[Limit, ...] = ()
    account: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Of an account now. ``mark`` changes when its password does; it is a secret and is hashed before it goes anywhere."""

    mark: str = field(repr=False)
    proven: Proven = Proven()


class Accounts(Protocol):
    """Accounts of one kind. ``word`` tells them from others, and has no colon."""

    @property
    def word(self) -> str: ...

    def standing(self, name: str) -> Standing | None:
        """None: there is no such account (any more). Raises UnavailableError: that cannot be told now."""
        ...


class PasswordWay(Accounts, Protocol):
    """Accounts with passwords."""

    def check(self, user: str, password: str, address: str) -> Proven | None:
        """None: no account of this kind, the next way is asked.

        Raises:
            LoginRefusedError: it is one, and this is not its password. TooManyLoginsError: not looked at.
            OverloadedError, UnavailableError: cannot be told now.
        """
        ...


class TokenWay(Protocol):
    """Ours, or another service's."""

    def recognises(self, text: str) -> bool:
        """Whether it looks like one of this kind. Raises nothing."""
        ...

    def read(self, text: str) -> Proven:
        """Raises LoginRefusedError, UnavailableError."""
        ...


class UnaskedWay(Protocol):
    """Who sends no Authorization header."""

    def of(self, facts: Facts) -> Proven | None:
        """None: it says nothing. Raises LoginRefusedError: it says something that does not count."""
        ...


class Standings:
    """Accounts of several kinds by their full names."""

    def __init__(self, kinds: Sequence[Accounts]) -> None:
        self._kinds = {kind.word: kind for kind in kinds}

    def __call__(self, account: str) -> Standing | None:
        word, _, name = account.partition(":")
        kind = self._kinds.get(word)
        return None if kind is None else kind.standing(name)


@dataclass(frozen=True, slots=True)
class Ways:
    """Those that a gateway knows, each kind in the order in which they are asked. ``needs_token``: whoever comes without has no
    rights at all, since another service decides.
    """

    passwords: tuple[PasswordWay, ...] = ()
    tokens: tuple[TokenWay, ...] = ()
    unasked: tuple[UnaskedWay, ...] = ()
    needs_token: bool = False

    @property
    def knows_somebody(self) -> bool:
        return bool(self.passwords or self.tokens or self.unasked)

    def by_password(self, user: str, password: str, address: str) -> Proven:
        """Raises as ``PasswordWay.check``."""
        for way in self.passwords:
            found = way.check(user, password, address)
            if found is not None:
                return found
        raise LoginRefusedError("unknown user, or wrong password" if self.passwords else "nobody can log in here")

    def by_token(self, text: str) -> Proven:
        """Raises as ``TokenWay.read``."""
        for way in self.tokens:
            if way.recognises(text):
                return way.read(text)
        raise LoginRefusedError("the token does not count here; log in again")

    def by_nothing(self, facts: Facts) -> Proven:
        """Raises as ``UnaskedWay.of``."""
        for way in self.unasked:
            found = way.of(facts)
            if found is not None:
                return found
        return Proven()
