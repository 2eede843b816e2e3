"""What every test of the sync worker leaves behind is closed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.crash.control import Control
from tests.sync.client import MADE

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    """Registries that are started while it is there can be killed at a point; their children come back at once after any kill."""
    before = dict(os.environ)
    control = Control(tmp_path_factory.mktemp("control") / "control")
    os.environ.update(control.environment)
    try:
        yield control
    finally:
        os.environ.clear()
        os.environ.update(before)
        control.close()


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while MADE:
        MADE.pop().close()
