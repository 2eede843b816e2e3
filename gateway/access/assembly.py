"""What guards a gateway worker, made of its options."""

from __future__ import annotations

import os
import secrets
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gateway.access.apikeys import ApiKeys, OwnKeys
from gateway.access.audit import AuditLog
from gateway.access.breaker import Breaker
from gateway.access.browsing import Browsing, browsing
from gateway.access.certificates import ClientCertificates
from gateway.access.gate import Gate
from gateway.access.guesses import Guesses
from gateway.access.ldap.directory import Directory
from gateway.access.ldap.way import DirectoryLogins, Reading
from gateway.access.logins import Logins
from gateway.access.origins import Origins
from gateway.access.passwordfile import PasswordFile
from gateway.access.proving import Doorkeeper
from gateway.access.robots import Robots
from gateway.access.throttle import Throttle
from gateway.access.tokens import Tokens
from gateway.access.uses import Uses
from gateway.access.ways import Standings, Ways
from holdfast.meta.apikeys import ApiKeyBook
from holdfast.meta.robots import RobotBook
from holdfast.meta.signing import SigningKeys
from holdfast.meta.uses import UseTimes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.access.bearer import BearerOptions
    from gateway.access.ldap.options import DirectoryOptions
    from gateway.access.options import AccessOptions
    from gateway.access.slots import Slots
    from gateway.access.ways import Accounts, PasswordWay
    from gateway.access.workloads import Workloads
    from holdfast.clock import Clock
    from holdfast.meta.store import Store

_KEY_BYTES: Final = 32
_ID_BYTES: Final = 16
# Threads that wait before a refusal; with more of them nobody else would be served.
_WAITING: Final = 16


@dataclass(frozen=True, slots=True)
class Access:
    """``tokens`` None: none are given here. ``bearer``: who gives them instead, or vouches for those who get them here.
    ``workloads``: those whose tokens are exchanged here; requests of others may be passed on. ``own_keys`` None: nobody has API
    keys. ``leave``: when the worker ends in order.
    """

    gate: Gate
    tokens: Tokens | None
    audit: AuditLog
    external_url: str
    clock: Clock
    bearer: BearerOptions | None = None
    workloads: Workloads | None = None
    browsing: Browsing | None = None
    pages: Origins = Origins()  # noqa: RUF009 - frozen
    own_keys: OwnKeys | None = None
    leave: Callable[[], None] = lambda: None


def guard(
    options: AccessOptions, store: Store, clock: Clock, sleep: Callable[[float], None], slots: Slots | None = None
) -> Access:
    """Raises ConfigError: as ``AccessOptions.of``, and the audit log cannot be opened."""
    audit = AuditLog(options.audit, clock)
    rights = options.rights()
    keys = SigningKeys(store, _new_id, lambda: secrets.token_bytes(_KEY_BYTES), clock)
    if options.bearer is not None:
        others = _by_others(options, options.bearer, keys, audit, clock)
        return replace(others, pages=options.pages)
    delay = _Delay(options.fail_delay_seconds, sleep)
    keeper = Doorkeeper(Throttle(clock), clock, secrets.token_bytes(_KEY_BYTES), delay.wait, slots)
    people = _people(options, keeper, clock)
    certificates = (ClientCertificates(options.certificates),) if options.certificates is not None else ()
    if not people and not certificates and not options.browser.providers:
        return Access(
            Gate(rights, Ways(), options.places), None, audit, options.external_url, clock, pages=options.pages
        )
    pages = browsing(options.browser, keys, store, people, clock)
    programs = _programs(options, store, keeper, (*people, *pages.accounts))
    # A key and a robot are known by their looks, so they are asked before those who compare slowly.
    passwords: tuple[PasswordWay, ...] = (*programs.api_keys, programs.robots, *people)
    tokens = Tokens(keys, Standings((*passwords, pages.browsers)), clock)
    ways = Ways(passwords, (*programs.api_keys, tokens), (pages.browsers, *certificates))
    own_keys = OwnKeys(programs.book, UseTimes(store), pages.browsers.lasting, clock) if options.api_keys else None
    return Access(
        Gate(rights, ways, options.places), tokens, audit, options.external_url, clock,
        browsing=pages, pages=options.pages, own_keys=own_keys, leave=programs.uses.stop,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Programs:
    """Accounts of programs. ``api_keys``: one, or none."""

    book: ApiKeyBook
    api_keys: tuple[ApiKeys, ...]
    robots: Robots
    uses: Uses


def _programs(options: AccessOptions, store: Store, keeper: Doorkeeper, owners: Sequence[Accounts]) -> _Programs:
    """``owners``: kinds of accounts that can have keys."""
    clock = keeper.clock
    uses = Uses(UseTimes(store), clock)
    uses.start()
    guesses = Guesses(keeper.throttle, clock, keeper.delay)
    book = ApiKeyBook(store, _new_id)
    api_keys = (ApiKeys(book, Standings(owners), guesses, uses, clock),) if options.api_keys else ()
    return _Programs(book, api_keys, Robots(RobotBook(store, _new_id), guesses, uses, clock), uses)


def _people(options: AccessOptions, keeper: Doorkeeper, clock: Clock) -> tuple[PasswordWay, ...]:
    """The directory first: the password file is for those whom it does not know, and for when it is down."""
    directory = _directory(options.directory, clock) if options.directory is not None else None
    logins: Logins | None = None
    if options.passwords is not None:
        file = PasswordFile(options.passwords)
        file.start()
        logins = Logins(file, keeper, lambda: directory is None or not directory.is_down)
    ways: tuple[PasswordWay, ...] = (logins,) if logins is not None else ()
    if directory is None or options.directory is None:
        return ways
    text = options.directory
    reading = Reading(text.user_attribute, text.group_attribute, text.base)
    if logins is not None:
        reading = replace(reading, is_known_elsewhere=logins.remembers, spend=logins.spend)
    return (DirectoryLogins(directory, keeper, reading), *ways)


def _directory(options: DirectoryOptions, clock: Clock) -> Directory:
    return Directory(options, Breaker(f"{options.host}:{options.port}", clock), clock)


def _by_others(
    options: AccessOptions, bearer: BearerOptions, keys: SigningKeys, audit: AuditLog, clock: Clock
) -> Access:
    """Tokens of others alone, as in zot: passwords and sessions are off. An ID token gets a short one of ours."""
    workloads, foreign = bearer.workloads(clock), bearer.foreign(clock)
    passwords = (workloads,) if workloads is not None else ()
    tokens = Tokens(keys, Standings(passwords), clock) if workloads is not None else None
    # Asked last, the other service's take whatever is left.
    ways = Ways(
        passwords, tuple(way for way in (tokens, workloads, foreign) if way is not None), (), foreign is not None
    )
    gate = Gate(options.rights(), ways, options.places)
    return Access(gate, tokens, audit, options.external_url, clock, bearer, workloads)


def _new_id() -> bytes:
    return os.urandom(_ID_BYTES)


class _Delay:
    """``failDelay``, for so many callers at a time; the others are refused at once."""

    def __init__(self, seconds: float, sleep: Callable[[float], None]) -> None:
        self._seconds = seconds
        self._sleep = sleep
        self._places = threading.BoundedSemaphore(_WAITING)

    def wait(self) -> None:
        if self._seconds <= 0 or not self._places.acquire(blocking=False):
            return
        try:
            self._sleep(self._seconds)
        finally:
            self._places.release()
