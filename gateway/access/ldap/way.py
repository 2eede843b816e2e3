"""Logins with a user and a password of the directory (``http.auth.ldap``); asked before the password file.

    the directory has no such user       the next way is asked
    it has, and the password is wrong    refused: an old line of the password file is no way around the directory
    two entries have the name            refused, and the log says so
    it cannot be asked                   DirectoryUnavailableError: the next way may know the user, else the client comes again

Promises
  * An empty password is never sent (directories take it for nobody in particular, and say yes: RFC 4513, 5.1.2).
  * A right password is remembered for a minute, so that a changed one ends within that.
  * An unknown user and a wrong password cost the same questions, and the same comparison where there is a password file too.
  * Tokens stand and fall with the entry: it is looked at again at most once a minute for each user. While the directory is down,
    access tokens go on to their own end, and refresh tokens wait.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from gateway.access.ldap.entries import groups_of, is_locked, mark_of, name_of
from gateway.access.proving import Proving, Verdict
from gateway.access.tokens import ACCESS_SECONDS
from gateway.access.ways import Proven, Standing
from holdfast.access.identity import Identity, Way
from holdfast.errors import DirectoryUnavailableError
from holdfast.joined import Joined
from holdfast.replicas.remembered import Remembered

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.access.ldap.entries import Entry
    from gateway.access.proving import Doorkeeper, Found

_log: Final = logging.getLogger("holdfast.access")

_REMEMBERED_SECONDS: Final = 60.0
# Clocks differ, and a token is read a moment after it was made.
_LAST_SECONDS: Final = ACCESS_SECONDS + 60.0
_GONE_SECONDS: Final = 10.0
_JUST_NOW_SECONDS: Final = 2.0
_REMEMBERED: Final = 20_000
_PATIENCE_SECONDS: Final = 30.0
_LONGEST_NAME: Final = 256
_NOBODY: Final = "nobody-has-this-name"


class Users(Protocol):
    """The directory."""

    def find(self, user: str) -> list[Entry]:
        """Raises DirectoryUnavailableError, OverloadedError."""
        ...

    def proves(self, dn: str, password: str) -> bool:
        """Raises as ``find``."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """How entries are read, and how others get along with this way.

    ``is_known_elsewhere``: whether another way remembers this user with this password; then the directory is not asked.
    ``spend``: what another way would take for a wrong password. None: there is no other way, so an unknown user is refused here.
    """

    user_attribute: str
    group_attribute: str
    base: str
    is_known_elsewhere: Callable[[str, str], bool] = lambda _user, _password: False
    spend: Callable[[str], object] | None = None


class DirectoryLogins:
    """Shared by threads."""

    def __init__(self, users: Users, keeper: Doorkeeper, reading: Reading) -> None:
        self._users = users
        self._reading = reading
        self._proving = Proving(keeper, _REMEMBERED_SECONDS)
        clock = keeper.clock
        self._standings: Remembered[str, Standing] = Remembered(clock, _REMEMBERED_SECONDS, _REMEMBERED)
        self._last: Remembered[str, Standing] = Remembered(clock, _LAST_SECONDS, _REMEMBERED)
        self._gone: Remembered[str, bool] = Remembered(clock, _GONE_SECONDS, _REMEMBERED)
        self._just_now: Remembered[str, bool] = Remembered(clock, _JUST_NOW_SECONDS, _REMEMBERED)
        self._looking: Joined[str, Standing | None] = Joined(_PATIENCE_SECONDS)

    @property
    def word(self) -> str:
        return Way.LDAP.value

    def check(self, user: str, password: str, address: str) -> Proven | None:
        """As ``PasswordWay.check``."""
        known = self._proving.known(user, password)
        if known is not None and self._is_as_it_was(known):
            return known
        self._proving.forget(user, password)
        if self._reading.is_known_elsewhere(user, password):
            return None
        return self._proving.prove(user, password, "", address, lambda: self._compared(user, password))

    def standing(self, name: str) -> Standing | None:
        """As ``Accounts.standing``; not ``is_current`` while the directory is down."""
        held = self._standings.get(name)
        if held is not None:
            return held
        if self._gone.get(name):
            return None
        try:
            return self._looking.run(name, lambda: self._looked_up(name))
        except DirectoryUnavailableError:
            last = self._last.get(name)
            if last is None:
                raise
            return replace(last, is_current=False)

    def _is_as_it_was(self, proven: Proven) -> bool:
        """Nothing newer is known of the entry than what the password was proven under."""
        last = self._last.get(proven.identity.name)
        return last is not None and last.mark == proven.mark

    def _compared(self, user: str, password: str) -> Found:
        entries = self._users.find(user) if 0 < len(user) <= _LONGEST_NAME else []
        if len(entries) > 1:
            _log.warning("two entries of the directory have one user's name; it is refused", extra={"user": user})
        entry = entries[0] if len(entries) == 1 else None
        name = self._name(entry, user)
        is_right = self._is_right(entry, password)
        if is_right and entry is not None and name and not is_locked(entry):
            return self._remember(name, entry).proven
        if not entries and self._reading.spend is not None:
            return Verdict.UNKNOWN
        if self._reading.spend is not None:
            self._reading.spend(password)
        return Verdict.WRONG

    def _name(self, entry: Entry | None, typed: str) -> str:
        if entry is None:
            return ""
        name = name_of(entry, self._reading.user_attribute, typed)
        if name is None:
            _log.warning(
                "an entry of the directory does not show the name that was typed; is userAttribute right, and readable for bindDN?"
            )
        return name or ""

    def _is_right(self, entry: Entry | None, password: str) -> bool:
        """Asked for an unknown user too, about nobody's entry and with nobody's password, so that both take the same time."""
        if not password:
            return False
        if entry is not None and entry.dn:
            return self._users.proves(entry.dn, password)
        self._users.proves(f"{self._reading.user_attribute}={_NOBODY},{self._reading.base}", _NOBODY)
        return False

    def _looked_up(self, name: str) -> Standing | None:
        entries = self._users.find(name)
        entry = entries[0] if len(entries) == 1 else None
        if entry is None or is_locked(entry) or name_of(entry, self._reading.user_attribute, name) != name:
            for memory in (self._standings, self._last):
                memory.forget(name)
            self._gone.put(name, True)
            return None
        return self._remember(name, entry)

    def _remember(self, name: str, entry: Entry) -> Standing:
        groups = groups_of(entry.texts(self._reading.group_attribute)) if self._reading.group_attribute else frozenset()
        mark = mark_of(entry)
        proven = Proven(Identity(name, Way.LDAP, groups), account=f"{self.word}:{name}", mark=mark)
        standing = Standing(mark, proven, again=lambda: self._again(name))
        self._standings.put(name, standing)
        self._last.put(name, standing)
        self._just_now.put(name, True)
        self._gone.forget(name)
        return standing

    def _again(self, name: str) -> Standing | None:
        """Another gateway may have seen a password that is newer than what is remembered here."""
        if self._just_now.get(name):
            return self.standing(name)
        self._just_now.put(name, True)
        self._standings.forget(name)
        return self.standing(name)
