"""Clusters that tests may break: one of three for all that mend it again, others of their own."""

from __future__ import annotations

import secrets

import pytest

from tests.etcd_cluster import EtcdCluster


@pytest.fixture(scope="session")
def three(tmp_path_factory):
    made = EtcdCluster.start(tmp_path_factory.mktemp("etcd") / "three", 3)
    yield made
    made.stop()


@pytest.fixture
def cluster(three):
    """Three members, healthy before and after."""
    yield three
    for member in three.members:
        if member.process is None:
            member.begin()
        member.resume()
    three.wait_until_healthy()


@pytest.fixture
def alone(tmp_path):
    """Starts a member with more words; stopped afterwards."""
    started = []

    def start(*extra, **more):
        started.append(EtcdCluster.start(tmp_path / f"alone{len(started)}", 1, extra, **more))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def prefix():
    return b"probe-%s/" % secrets.token_hex(8).encode()


@pytest.fixture
def store(cluster, prefix):
    made = cluster.open(prefix)
    yield made
    made.close()
