"""How many requests are taken (``http.ratelimit``): of all together, by method, by address, by user.

Promises: a request that is refused takes nothing from any bucket, and none of its body is read. A transfer that has begun goes on.
Health probes are not counted. An address of IPv6 counts as its /64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gateway.buckets import Pace
from holdfast.errors import TooManyRequestsError
from holdfast.networks import party

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.buckets import Buckets
    from holdfast.config.http import Bucket, RateLimit

_NO_PACES: Final[Mapping[str, Pace]] = {}


@dataclass(frozen=True, slots=True)
class Paces:
    """What is limited; None: not."""

    all: Pace | None = None
    methods: Mapping[str, Pace] = field(default_factory=lambda: _NO_PACES)
    address: Pace | None = None
    user: Pace | None = None

    @classmethod
    def of(cls, limit: RateLimit | None) -> Paces:
        if limit is None:
            return cls()
        return cls(
            Pace(limit.rate, limit.burst or limit.rate) if limit.rate else None,
            {one.method: Pace(one.rate, one.burst or one.rate) for one in limit.methods},
            _pace(limit.per_address),
            _pace(limit.per_user),
        )


def _pace(bucket: Bucket | None) -> Pace | None:
    return None if bucket is None else Pace(bucket.rate, bucket.burst or bucket.rate)


class Rates:
    """Shared by threads."""

    def __init__(self, paces: Paces, buckets: Buckets) -> None:
        self._buckets = buckets
        self._address = paces.address
        self._user = paces.user
        shared = [("all", paces.all)] if paces.all is not None else []
        self._shared = shared
        self._by_method = {method: [*shared, (f"method {method}", pace)] for method, pace in paces.methods.items()}

    @property
    def count_users(self) -> bool:
        return self._user is not None

    def admit(self, method: str, address: str) -> None:
        """Raises TooManyRequestsError."""
        wanted = self._by_method.get(method, self._shared)
        if self._address is not None:
            wanted = [*wanted, (f"address {party(address)}", self._address)]
        if wanted:
            self._take(wanted)

    def admit_user(self, name: str) -> None:
        """Raises TooManyRequestsError. ``name``: "" for nobody in particular, who is counted by address alone."""
        if self._user is not None and name:
            self._take([(f"user {name}", self._user)])

    def _take(self, wanted: list[tuple[str, Pace]]) -> None:
        seconds = self._buckets.take(wanted)
        if seconds > 0:
            raise TooManyRequestsError.until(math.ceil(seconds))
