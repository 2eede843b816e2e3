"""The table of hostile requests: what the registry is sent by those who mean it no good, and what it must answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.http.hostile import content, framing, manifests, paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.http.hostile.row import Row

TABLE: Sequence[Row] = (*paths.table(), *framing.table(), *manifests.table(), *content.table())
