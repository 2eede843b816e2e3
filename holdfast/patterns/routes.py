"""Which repositories a route of ``storage.subPaths`` is for.

Whole parts of names count: ``/a`` takes ``a`` and ``a/b`` and not ``ab``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def takes(route: str, repository: str) -> bool:
    """``route``: such as ``/infra``, whatever its case; the empty one takes everything."""
    return f"/{repository}/".startswith(f"{route.lower().rstrip('/')}/")


def route_of(repository: str, routes: Iterable[str]) -> str:
    """The longest of them that takes it; "" if none does."""
    return max((route for route in routes if takes(route, repository)), key=len, default="")
