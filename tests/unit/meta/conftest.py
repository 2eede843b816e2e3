"""A store of metadata for tests of what is kept in it: over memory, then over SQLite."""

from __future__ import annotations

import pytest

from tests.contract.adapters import HARNESSES


@pytest.fixture(params=["memory", "sqlite"])
def harness(request, tmp_path):
    made = HARNESSES[request.param](tmp_path)
    yield made
    made.close()


@pytest.fixture
def store(harness):
    return harness.open()
