"""Whether a token counts for a configuration, and every reason why not.

Promises: the same keys, audiences, times and claims decide as at the gateway; here all reasons are told, which no client is.
Issuers and AWS are asked where the configuration names them.

Never: writes to the metadata, or makes a key there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import jwt

from gateway.access.bearer import one_trusted
from gateway.access.signed import LEEWAY_SECONDS
from gateway.access.tokens import ALGORITHM, SERVICE
from holdfast.certs.keys import KeySet, VerifyingKey
from holdfast.errors import HoldfastError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gateway.access.bearer import BearerOptions, TrustedOptions
    from gateway.access.signed import Opened
    from holdfast.clock import Clock
    from holdfast.meta.signing import SigningKey

_ACCOUNT: Final = "ours also end with the password or key they were got by, which is not looked at here"


@dataclass(frozen=True, slots=True)
class Judgement:
    """``reasons``: why it does not count; none if it does. ``user``: whom its claims make, where an issuer is trusted."""

    signer: str
    reasons: tuple[str, ...] = ()
    user: str = ""
    groups: tuple[str, ...] = ()
    note: str = ""

    @property
    def counts(self) -> bool:
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Judge:
    """``own``: the keys of the installation, read only when a token says that it is ours. ``bearer`` None: only ours count."""

    bearer: BearerOptions | None
    own: Callable[[], Sequence[SigningKey]]
    clock: Clock

    def judge(self, text: str, found: Opened) -> Judgement:
        """Raises HoldfastError: keys cannot be got."""
        if found.issuer == SERVICE:
            return self._ours(text, found)
        judged = [self._by_issuer(text, found, one) for one in self._candidates(found)]
        counting = next((one for one in judged if one.counts), None)
        if counting is None and self.bearer is not None and self.bearer.asks_elsewhere:
            judged.append(self._by_service(text, found, self.bearer))
            counting = judged[-1] if judged[-1].counts else None
        if not judged:
            return Judgement(
                "nobody known here", ("the configuration trusts no issuer of that name, and no token service",)
            )
        return counting or judged[0]

    def _candidates(self, found: Opened) -> Iterator[TrustedOptions]:
        for one in self.bearer.trusted if self.bearer is not None else ():
            if one.any_name or one.issuer == found.issuer:
                yield one

    def _ours(self, text: str, found: Opened) -> Judgement:
        keys = KeySet(tuple(VerifyingKey(key.secret, (ALGORITHM,), str(key.number)) for key in self.own()))
        reasons = list(_faults(text, found, keys, (SERVICE,), self.clock.wall()))
        if found.claims.get("use") == "refresh":
            reasons.append("it is a refresh token, good for getting others and nothing else")
        return Judgement("this installation", tuple(reasons), note=_ACCOUNT)

    def _by_service(self, text: str, found: Opened, bearer: BearerOptions) -> Judgement:
        source = bearer.key_source(self.clock)
        keys = source.keys_for(found.kid) if source is not None else KeySet(())
        reasons = _faults(text, found, keys, (bearer.service,), self.clock.wall())
        return Judgement(f"the token service at {bearer.realm}", tuple(reasons))

    def _by_issuer(self, text: str, found: Opened, one: TrustedOptions) -> Judgement:
        trusted = one_trusted(one, self.clock)
        try:
            keys = trusted.issuer.keys_for(found.kid)
            reasons = list(_faults(text, found, keys, one.audiences, self.clock.wall()))
            person = one.mapping.person(found.claims)
        except HoldfastError as error:
            return Judgement(f"the issuer {one.issuer}", (error.message,))
        return Judgement(f"the issuer {one.issuer}", tuple(reasons), person.name, tuple(sorted(person.groups)))


def _faults(text: str, found: Opened, keys: KeySet, audiences: Sequence[str], now: float) -> Iterator[str]:
    fitting = keys.fitting(found.kid, found.algorithm)
    if not keys.has(found.kid):
        yield f"none of its signer's {len(keys.keys)} keys has the id {found.kid!r}"
    elif not fitting:
        yield f"{found.algorithm} is no algorithm of the key {found.kid!r}"
    elif not any(_signed(text, key, found.algorithm) for key in fitting):
        yield "the signature is not by that key, or the token was changed"
    if not set(found.audiences) & set(audiences):
        yield f"it is for {', '.join(found.audiences) or 'nobody'}, and not for {' or '.join(audiences)}"
    yield from _late_or_early(found, now)


def _signed(text: str, key: VerifyingKey, algorithm: str) -> bool:
    try:
        jwt.api_jws.decode(text, key.key, [algorithm])
    except (jwt.PyJWTError, ValueError, TypeError):
        return False
    return True


def _late_or_early(found: Opened, now: float) -> Iterator[str]:
    end = moment(found.claims.get("exp"))
    if end is None:
        yield "it has no end that can be read (exp)"
    elif now > end.timestamp() + LEEWAY_SECONDS:
        yield f"it ended {in_words(end, now)}"
    for name, what in (("nbf", "it begins"), ("iat", "it says that it was issued")):
        begun = moment(found.claims.get(name))
        if begun is not None and now < begun.timestamp() - LEEWAY_SECONDS:
            yield f"{what} {in_words(begun, now)}"


def moment(value: object) -> datetime | None:
    """Of a claim; None: it is no time."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def in_words(at: datetime, now: float) -> str:
    """Such as "5 minutes ago (2026-01-02 03:04:05 UTC)"."""
    away = at.timestamp() - now
    count, unit = next(
        (int(abs(away) // length), name)
        for length, name in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
        if abs(away) >= length or length == 1
    )
    words = f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{f'in {words}' if away > 0 else f'{words} ago'} ({at:%Y-%m-%d %H:%M:%S} UTC)"
