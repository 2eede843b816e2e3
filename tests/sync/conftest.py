"""What every test of the sync worker leaves behind is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sync.client import MADE

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while MADE:
        MADE.pop().close()
