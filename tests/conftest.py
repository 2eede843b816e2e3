"""Fixtures that more than one floor of the tests stands on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.serving import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One registry for all tests that do not break it. Tests use repositories of their own."""
    with serving(tmp_path_factory.mktemp("registry")) as server:
        yield server
