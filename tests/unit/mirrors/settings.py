"""Blocks of ``extensions.sync`` for tests, by the same door as a file's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.config import parse

if TYPE_CHECKING:
    from holdfast.config.sync import Sync


def sync_of(**keys: Any) -> Sync:
    tree = {"storage": {"rootDirectory": "/data"}, "extensions": {"sync": keys}}
    found = parse(tree).extensions.sync
    assert found is not None
    return found
