"""What ``holdfast verify`` takes a node takes too: nothing is refused only once it starts."""

from __future__ import annotations

import contextlib

import pytest

from holdfast import config
from holdfast.errors import ConfigError
from storagenode.configured import backup_options, collect_options, scrub_options
from storagenode.options import NodeOptions

TIMES = ("0s", "-1s", "1ns", "2562047h")
COUNTS = (0, -1, 1, 2**63 - 1)
WINDOWS = ("", "9:00-17:00", "22:00 - 6:00", "09:00-9:30")
VALUES = [
    *((key, value) for key in ("gcDelay", "gcInterval", "uploadExpiry") for value in TIMES),
    *(("gcTimeWindow", value) for value in WINDOWS),
    *(("freeSpaceReserve", value) for value in COUNTS),
    *(("metadataBackups", {"interval": value}) for value in TIMES),
    *(("metadataBackups", {"count": value}) for value in COUNTS),
]


def valid(written):
    """None: ``holdfast verify`` refuses it."""
    with contextlib.suppress(ConfigError):
        return config.parse(written)
    return None


@pytest.mark.parametrize(("key", "value"), VALUES)
def test_a_value_that_is_valid_makes_a_node(key, value, tmp_path):
    settings = valid({"storage": {"rootDirectory": str(tmp_path), key: value}})
    if settings is None:
        return
    NodeOptions(
        tmp_path,
        "unix:/run/node.sock",
        reserve_bytes=settings.storage.free_space_reserve.bytes_of(1 << 40),
        upload_expiry_seconds=settings.storage.upload_expiry.seconds,
        collect=collect_options(settings),
        scrub=scrub_options(settings),
        backups=backup_options(settings),
    )


@pytest.mark.parametrize("value", TIMES)
def test_a_round_of_scrub_is_as_long_as_was_found_valid(value, tmp_path):
    settings = valid({"storage": {"rootDirectory": str(tmp_path)}, "extensions": {"scrub": {"interval": value}}})
    assert settings is None or scrub_options(settings).interval_seconds >= 7200.0
