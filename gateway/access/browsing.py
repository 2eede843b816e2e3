"""What people with a browser meet at a gateway worker, made of its options."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.access.browseroptions import GITHUB
from gateway.access.browsers import Browsers, Elsewhere
from gateway.access.fetching import Fetcher
from gateway.access.github import GitHub, Places
from gateway.access.issuer import Issuer
from gateway.access.keyring import KeyRing
from gateway.access.openid import OpenId
from gateway.access.openidconnect import OpenIdConnect
from gateway.access.redisserver import RedisServer
from gateway.access.redissessions import LONGEST_RECORD, RedisSessions
from gateway.access.sealer import Sealer
from gateway.access.services import Services
from holdfast.meta.sessions import Sessions
from holdfast.meta.signing import SigningKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.access.browseroptions import BrowserOptions, ProviderOptions
    from gateway.access.browsers import SessionStore
    from gateway.access.openid import Provider
    from gateway.access.origins import Origins
    from gateway.access.redisoptions import RedisOptions
    from gateway.access.ways import Accounts
    from holdfast.clock import Clock
    from holdfast.meta.signing import SigningKeys
    from holdfast.meta.store import Store

_ID_BYTES: Final = 16
_NUMBER_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Browsing:
    """``openid`` None: there is no other service to log in at, and sessions begin with passwords alone. ``accounts``: those that
    people have there.
    """

    browsers: Browsers
    openid: OpenId | None
    returns: Origins
    secure: bool | None
    accounts: tuple[Accounts, ...] = ()


def browsing(
    options: BrowserOptions, keys: SigningKeys, store: Store, people: Sequence[Accounts], clock: Clock
) -> Browsing:
    """``people``: kinds of accounts that sessions are begun with. Asks nobody anything."""
    own = [SigningKey(0, options.secret, 0.0)] if options.secret else None
    ring = KeyRing(keys.all if own is None else lambda: own, clock)
    sealer = Sealer(ring, secrets.token_bytes)
    sessions = _sessions(options.redis, ring, store, clock)
    browsers = Browsers(sessions, sealer, people, clock, secrets.token_bytes)
    openid = None
    if options.providers:
        fetcher = Fetcher(clock)
        services = Services(fetcher)
        found = {one.word: _provider(one, fetcher, services, clock) for one in options.providers}
        openid = OpenId(found, sealer, clock, secrets.token_bytes)
    accounts = (Elsewhere(),) if openid is not None else ()
    return Browsing(browsers, openid, options.returns, options.secure, accounts)


def _sessions(redis: RedisOptions | None, ring: KeyRing, store: Store, clock: Clock) -> SessionStore:
    def new_id() -> bytes:
        return secrets.token_bytes(_ID_BYTES)

    if redis is None:
        return Sessions(store, new_id, clock)
    sealer = Sealer(ring, secrets.token_bytes, LONGEST_RECORD)
    return RedisSessions(RedisServer(redis, clock), redis.prefix, sealer, new_id, clock)


def _provider(options: ProviderOptions, fetcher: Fetcher, services: Services, clock: Clock) -> Provider:
    names = options.names
    if options.word == GITHUB:
        return GitHub(options.client, Places.of(names.authorize, names.exchange), services.ask)
    issuer = Issuer(options.issuer, fetcher, clock)
    return OpenIdConnect(
        options.client, issuer, names, services.ask, clock.wall, lambda: secrets.token_hex(_NUMBER_BYTES)
    )
