"""What retention takes, once more over a real etcd: the tests of ``tests/unit/meta/test_retiring.py`` as they stand."""

from __future__ import annotations

import secrets

import pytest

from tests.etcd_cluster import shared_cluster
from tests.unit.meta import test_retiring as rules

# Collected here under their own names; the fixture gives them another store.
globals().update({name: value for name, value in vars(rules).items() if name.startswith("test_")})
kept = rules.kept


@pytest.fixture
def store():
    opened = shared_cluster(1).open(b"retiring-%s/" % secrets.token_hex(8).encode())
    yield opened
    opened.close()
