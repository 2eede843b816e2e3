"""Fixtures that more than one floor of the tests stands on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.secrets import pytest_runtest_teardown  # noqa: F401 - a hook, found by its name
from tests.serving import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


# A slow machine is no fault. In CI the same examples every time: a new one that fails is for a developer to find.
settings.register_profile("developer", deadline=None)
settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "developer")


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One registry for all tests that do not break it. Tests use repositories of their own."""
    with serving(tmp_path_factory.mktemp("registry")) as server:
        yield server
