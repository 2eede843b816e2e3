"""Who may read the metrics (``http.accessControl.metrics``, by zot's rules).

    nobody can log in               everybody, unless users are named
    anonymousPolicy with "read"     everybody
    users                           these
    accessControl without either    nobody
    no accessControl at all         whoever is logged in

Promises: the answer depends on who asks alone. An admin who is not named is not let in: metrics are no repository.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.access.actions import Action
from holdfast.errors import DeniedError, LoginNeededError

if TYPE_CHECKING:
    from holdfast.access.identity import Identity
    from holdfast.config.access import AccessControl


class Scrapers:
    """``knows_somebody``: whether there is any way to log in."""

    def __init__(self, control: AccessControl | None, *, knows_somebody: bool) -> None:
        metrics = control.metrics if control is not None else None
        self._users = frozenset(metrics.users if metrics is not None else ())
        named = metrics is not None and Action.READ.value in metrics.anonymous_policy
        self._everybody = named or not (knows_somebody or self._users)
        self._logged_in = control is None
        self._knows_somebody = knows_somebody

    def require(self, identity: Identity) -> None:
        """Raises LoginNeededError, DeniedError."""
        if self._everybody or (self._logged_in and not identity.is_anonymous) or identity.name in self._users:
            return
        if self._knows_somebody and identity.is_anonymous:
            raise LoginNeededError("the metrics are for somebody who logs in")
        raise DeniedError("you may not read the metrics")
