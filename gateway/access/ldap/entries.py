r"""What an entry of the directory says of a user: name, groups, whether it is locked, and what changes with its password.

Promises
  * A user has the name that the directory has for it, not the one that was typed: directories compare names without case and
    spaces, policies do not.
  * A value of the group attribute is a group as it stands (zot's rule). One that is a distinguished name is also a group by the
    value of its first part: ``cn=devs,ou=groups,dc=example`` is ``devs`` too. A value that could be taken for a distinguished
    name itself (``cn=x\,ou\=groups,...``) gives no short name: nobody gets into a group by naming another one after it.

Pure. RFC 4511, 4512, 4514.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# What makes an entry another one, whatever it is called; whichever the directory has.
_IDENTIFIERS: Final = ("entryUUID", "objectGUID", "nsUniqueId", "ipaUniqueID")
# When the password was changed, where the directory keeps that; OpenLDAP does with its password policies only.
_PASSWORD_TIMES: Final = ("pwdChangedTime", "pwdLastSet", "krbLastPwdChange", "pwdUpdateTime")
# The first counts seconds only; OpenLDAP has the second too.
_CHANGED: Final = ("modifyTimestamp", "entryCSN")
_LOCKS: Final = ("userAccountControl", "nsAccountLock", "pwdAccountLockedTime")
_AD_DISABLED: Final = 0x2
# OpenLDAP's word for a lock that only an administrator opens; others end by themselves and are the directory's business.
_LOCKED_FOR_GOOD: Final = "000001010000z"
# Directories answer with the short name, whichever was asked for (RFC 4519).
_SHORT_NAMES: Final = {"userid": "uid", "commonname": "cn", "surname": "sn", "rfc822mailbox": "mail"}
_ATTRIBUTE: Final = re.compile(r"\s*(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*)\s*\Z")
_ESCAPED: Final = re.compile(r"\\([0-9A-Fa-f]{2})|\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """``values``: by the attribute's name in small letters, without its options."""

    dn: str
    values: Mapping[str, tuple[bytes, ...]]

    def texts(self, attribute: str) -> tuple[str, ...]:
        """The values of an attribute that are text."""
        name = attribute.lower()
        return tuple(_texts(self.values.get(name) or self.values.get(_SHORT_NAMES.get(name, name), ())))


def wanted(user_attribute: str, group_attribute: str) -> list[str]:
    """The attributes to ask for."""
    asked = [user_attribute, *_IDENTIFIERS, *_PASSWORD_TIMES, *_CHANGED, *_LOCKS]
    return [*asked, group_attribute] if group_attribute else asked


def name_of(entry: Entry, attribute: str, typed: str) -> str | None:
    """The directory's own spelling of a name. None: it does not show one that is meant by what was typed."""
    names = entry.texts(attribute)
    if typed in names:
        return typed
    meant = _folded(typed)
    return next((name for name in names if _folded(name) == meant), None)


def groups_of(values: Iterable[str]) -> frozenset[str]:
    """As written, and the short names of those that are distinguished names."""
    found = set(values)
    return frozenset(found | {short for value in found if (short := _short(value))})


def is_locked(entry: Entry) -> bool:
    """Whether the directory has locked it until an administrator opens it."""
    control = next(iter(entry.texts("userAccountControl")), "")
    if control.isascii() and control.isdigit() and int(control) & _AD_DISABLED:
        return True
    if any(value.lower() == "true" for value in entry.texts("nsAccountLock")):
        return True
    return any(value.lower() == _LOCKED_FOR_GOOD for value in entry.texts("pwdAccountLockedTime"))


def mark_of(entry: Entry) -> str:
    """Changes with the password, and when another user gets the same name. Where the directory does not say when a password was
    changed, every change of the entry counts as one.
    """
    times = [*_pairs(entry, _PASSWORD_TIMES)] or [*_pairs(entry, _CHANGED)]
    return "\n".join((entry.dn, *_pairs(entry, _IDENTIFIERS), *times))


def _pairs(entry: Entry, attributes: Iterable[str]) -> Iterator[str]:
    for attribute in attributes:
        for value in sorted(entry.values.get(attribute.lower(), ())):
            yield f"{attribute}={value.hex()}"


def _texts(values: Iterable[bytes]) -> Iterator[str]:
    for value in values:
        try:
            yield value.decode()
        except UnicodeDecodeError:
            continue


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _short(value: str) -> str:
    """The value of the first part of a distinguished name of at least two; "" if there is none, or none that may be used."""
    first, rest = _cut(value)
    attribute, equals, raw = first.partition("=")
    if not (equals and _ATTRIBUTE.match(attribute) and _ATTRIBUTE.match(rest.partition("=")[0]) and "=" in rest):
        return ""
    raw = raw.strip(" ")
    if not raw or raw[0] in '#"' or "+" in _ESCAPED.sub("", raw):
        return ""
    short = _unescaped(raw)
    return short if short.isprintable() and not set(short) & set(",=+;") else ""


def _cut(value: str) -> tuple[str, str]:
    """The first part and the others, at the first separator that is not escaped."""
    is_escaped = False
    for place, letter in enumerate(value):
        if is_escaped:
            is_escaped = False
        elif letter == "\\":
            is_escaped = True
        elif letter in ",;":
            return value[:place], value[place + 1 :]
    return value, ""


def _unescaped(raw: str) -> str:
    """RFC 4514, 3; "" if that is no text."""

    def byte(match: re.Match[str]) -> str:
        pair, other = match.groups()
        return chr(0xDC00 + int(pair, 16)) if pair is not None and int(pair, 16) >= 0x80 else _plain(pair, other)

    try:
        return _ESCAPED.sub(byte, raw).encode(errors="surrogateescape").decode()
    except UnicodeError:
        return ""


def _plain(pair: str | None, other: str) -> str:
    return other if pair is None else chr(int(pair, 16))
