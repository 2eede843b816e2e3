"""A storage node without a transport whose blobs are in an S3 server, with a clock that stands still."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.files import HookedFiles
from tests.fakes.s3 import shared_s3
from tests.unit.storagenode.conftest import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.s3 import Place


@pytest.fixture
def place() -> Place:
    return shared_s3().place()


@contextlib.contextmanager
def made_bench(place: Place) -> Iterator[Bench]:
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as made:
        bench = Bench(Path(made), HookedFiles(), options={"bucket": place.bucket()})
        yield bench
        bench.stop()


@pytest.fixture
def bench(place: Place) -> Iterator[Bench]:
    with made_bench(place) as bench:
        yield bench
