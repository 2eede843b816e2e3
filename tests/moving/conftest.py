"""A registry to import into, one for all; each test puts its own name before all that it moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.serving import serving
from tests.sync.peers import Peer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serving import Server


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("registry") / "registry") as server:
        yield server


@pytest.fixture(scope="session")
def here(registry: Server) -> Peer:
    """The registry as a client sees it."""
    return Peer(registry.url)
