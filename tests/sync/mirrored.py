"""A registry that mirrors, in front of an upstream: processes of its own, with what tests ask of them.

with mirroring(tmp_path, {"/up": [upstream.url]}) as server:
    server.request("GET", "/v2/up/team/app/manifests/v1")
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.serving import Server


def registries(places: Mapping[str, Sequence[str]], **more: Any) -> list[dict[str, Any]]:
    """Entries of ``extensions.sync``: where an upstream is mirrored, and its URLs."""
    return [
        {
            "urls": list(urls),
            "onDemand": True,
            "maxRetries": 2,
            "retryDelay": "100ms",
            "content": [{"prefix": "**", "destination": place}],
            **more,
        }
        for place, urls in places.items()
    ]


@contextlib.contextmanager
def mirroring(root: Path, places: Mapping[str, Sequence[str]], **more: Any) -> Iterator[Server]:
    with serving(root, extensions={"sync": {"registries": registries(places, **more)}}) as server:
        yield server
