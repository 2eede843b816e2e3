"""Tokens of our own: signed with the installation's keys, so that every gateway knows those of every other.

    access      minutes; for whom, by which password, and what it may be used for
    refresh     weeks; only good for new access tokens

Promises
  * A token counts only with an algorithm and a key of ours, for us, unexpired, and while its owner has the password by which it was
    issued: a removed user and a changed password end it at once. Nothing in its header but the number of the key is read.
  * What could not be issued by us is a LoginRefusedError, whatever is wrong with it.

RFC 7519; distribution's token specification for the claims.
"""

from __future__ import annotations

import functools
import hmac
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import jwt

from gateway.access.keyring import KeyRing
from gateway.access.ways import Proven
from holdfast.access.identity import Identity, Way
from holdfast.access.scopes import Grant
from holdfast.errors import DirectoryUnavailableError, LoginRefusedError
from holdfast.replicas.remembered import Remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.access.ways import Standing
    from holdfast.access.scopes import Scope
    from holdfast.clock import Clock
    from holdfast.meta.signing import SigningKey, SigningKeys

ACCESS_SECONDS: Final = 300
REFRESH_SECONDS: Final = 30 * 24 * 3600
SERVICE: Final = "holdfast"
ALGORITHM: Final = "HS256"
# Clocks of gateways differ.
_LEEWAY_SECONDS: Final = 60
# Of a browser's or client's whole header line; ours have a few hundred bytes.
_LONGEST: Final = 16 * 1024
_REMEMBERED: Final = 5_000
_ACCESS: Final = "access"
_REFRESH: Final = "refresh"
_REFUSAL: Final = "the token does not count (any more); log in again"


class Tokens:
    """``standing``: of an account by its full name, as it is now; None when there is no such account."""

    def __init__(self, keys: SigningKeys, standing: Callable[[str], Standing | None], clock: Clock) -> None:
        self._ring = KeyRing(keys.all, clock)
        self._standing = standing
        self._clock = clock
        # What came of a token, with what that stands on.
        self._read: Remembered[str, tuple[SigningKey | None, Standing | None, Proven]] = Remembered(
            clock, ACCESS_SECONDS, _REMEMBERED
        )
        # Whose signature was right: claims by text.
        self._verified: Callable[[str], dict[str, Any]] = functools.lru_cache(_REMEMBERED)(self._decoded)
        self._recognised: Callable[[str], bool] = functools.lru_cache(_REMEMBERED)(_says_ours)

    def access(self, owner: Proven, scopes: Sequence[Scope]) -> str:
        """Raises MetadataUnavailableError: there is no key to sign with. LoginRefusedError: the owner's account is gone."""
        claims: dict[str, Any] = {"access": [scope.as_claim() for scope in scopes]}
        if not owner.account and owner.identity.groups:
            claims["groups"] = sorted(owner.identity.groups)
        return self._signed(_ACCESS, owner, ACCESS_SECONDS, claims)

    def refresh(self, owner: Proven) -> str:
        """Raises as ``access``. ValueError: without an account there is nothing that could end it."""
        if not owner.account:
            raise ValueError("a refresh token needs an account")
        return self._signed(_REFRESH, owner, REFRESH_SECONDS, {})

    def recognises(self, text: str) -> bool:
        """Whether it says that we issued it."""
        return self._recognised(text)

    def read(self, text: str) -> Proven:
        """Raises LoginRefusedError, UnavailableError."""
        claims = self._claims(text, _ACCESS)
        key, standing = self._key(claims["kid"]), self._stands(str(claims.get("acc", "")))
        found = self._read.get(text)
        # Nothing has changed that it stands on: most requests come with a token that came before.
        if found is not None and found[0] is key and found[1] == standing:
            return found[2]
        try:
            owner = self._owner(claims)
            proven = replace(owner, limits=(*owner.limits, Grant.of_claims(claims["access"])))
        except (KeyError, TypeError, ValueError) as error:
            raise LoginRefusedError(_REFUSAL) from error
        # Not where the account had to be asked again: that answer is not kept anywhere.
        if key is not None and self._fits(key, claims, standing):
            self._read.put(text, (key, standing, proven))
        return proven

    def owner_of_refresh(self, text: str) -> Proven:
        """As its account is now. Raises LoginRefusedError, UnavailableError: also while that is only known of a while ago."""
        return self._owner(self._claims(text, _REFRESH))

    def _signed(self, kind: str, owner: Proven, seconds: int, more: dict[str, Any]) -> str:
        key, now = self._ring.newest(), int(self._clock.wall())
        claims = {
            "iss": SERVICE,
            "aud": SERVICE,
            "sub": owner.identity.name,
            "acc": owner.account,
            "iat": now,
            "exp": now + seconds,
            "jti": secrets.token_hex(8),
            "use": kind,
            "by": self._mark(key, owner.account, self._stands_as_proven(owner)),
            **more,
        }
        return jwt.encode(claims, key.secret, ALGORITHM, headers={"kid": str(key.number)})

    def _stands_as_proven(self, owner: Proven) -> Standing | None:
        """A password that was changed since it was compared is good for no token of its successor."""
        standing = self._stands(owner.account)
        if standing is not None and owner.mark and standing.mark != owner.mark:
            raise LoginRefusedError(_REFUSAL)
        return standing

    def _stands(self, account: str) -> Standing | None:
        """None: of no account."""
        if not account:
            return None
        standing = self._standing(account)
        if standing is None:
            raise LoginRefusedError(_REFUSAL)
        return standing

    def _fits(self, key: SigningKey, claims: dict[str, Any], standing: Standing | None) -> bool:
        account = str(claims.get("acc", ""))
        if account and standing is None:
            return False
        return hmac.compare_digest(self._mark(key, account, standing), str(claims.get("by", "")))

    @staticmethod
    def _mark(key: SigningKey, account: str, standing: Standing | None) -> str:
        """Ties a token to the password of its owner, and tells nobody anything about it."""
        text = f"{account}:{standing.mark if standing is not None else ''}"
        return hmac.digest(key.secret, text.encode(errors="surrogatepass"), "sha256").hex()[:32]

    def _owner(self, claims: dict[str, Any]) -> Proven:
        user, account = str(claims["sub"]), str(claims.get("acc", ""))
        key, standing = self._key(claims["kid"]), self._stands(account)
        if key is None:
            raise LoginRefusedError(_REFUSAL)
        if not self._fits(key, claims, standing) and standing is not None and standing.again is not None:
            standing = standing.again()
        if not self._fits(key, claims, standing):
            raise LoginRefusedError(_REFUSAL)
        if standing is not None and not standing.is_current and claims.get("use") == _REFRESH:
            raise DirectoryUnavailableError(reason="a refresh token waits until its owner can be asked about")
        if standing is None:
            groups = frozenset(map(str, claims.get("groups", ())))
            return Proven(Identity(user, Way.TOKEN, groups)) if user else Proven()
        proven = standing.proven
        if proven.identity.name != user:
            raise LoginRefusedError(_REFUSAL)
        return replace(proven, identity=replace(proven.identity, way=Way.TOKEN), account=account)

    def _claims(self, text: str, kind: str) -> dict[str, Any]:
        claims = self._verified(text)
        if claims.get("use") != kind or self._clock.wall() > claims["exp"] + _LEEWAY_SECONDS:
            raise LoginRefusedError(_REFUSAL)
        return claims

    def _decoded(self, text: str) -> dict[str, Any]:
        if len(text) > _LONGEST:
            raise LoginRefusedError(_REFUSAL)
        try:
            number = int(jwt.get_unverified_header(text)["kid"])
            key = self._key(number)
            if key is None:
                raise LoginRefusedError(_REFUSAL)
            # Times are compared by a clock that is an argument.
            options: Any = {"require": ["exp", "iat", "sub", "aud", "iss"], "verify_exp": False, "verify_iat": False}
            claims = jwt.decode(text, key.secret, [ALGORITHM], options, audience=SERVICE, issuer=SERVICE)
            return {**claims, "kid": number, "exp": float(claims["exp"])}
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise LoginRefusedError(_REFUSAL) from error

    def _key(self, number: int) -> SigningKey | None:
        return self._ring.numbered(number)


def _says_ours(text: str) -> bool:
    if len(text) > _LONGEST:
        return False
    try:
        return bool(jwt.decode(text, options={"verify_signature": False}).get("iss") == SERVICE)
    except (jwt.PyJWTError, ValueError, RecursionError):
        return False
