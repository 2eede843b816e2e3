"""Who asks.

Invariants: a name is what a way of logging in has proven; nobody is the empty name, and has no groups.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final


class Way(Enum):
    """How somebody was recognised; the words of the audit log, and of ``req.auth.method`` in conditions."""

    NONE = "anonymous"
    PASSWORD = "htpasswd"  # noqa: S105 - a word, no secret
    LDAP = "ldap"
    OIDC = "oidc"
    CERTIFICATE = "mtls"
    TOKEN = "token"  # noqa: S105 - a word, no secret
    OPENID = "openid"
    SESSION = "session"
    API_KEY = "apikey"
    ROBOT = "robot"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Identity:
    """``name`` "": nobody. ``groups``: those that the way of logging in brings; the configuration's come on top.

    Raises:
        ValueError: nobody in particular, but in groups.
    """

    name: str = ""
    way: Way = Way.NONE
    groups: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        if not self.name and self.groups:
            raise ValueError("nobody belongs to no group")

    @property
    def is_anonymous(self) -> bool:
        return not self.name


ANONYMOUS: Final = Identity()
