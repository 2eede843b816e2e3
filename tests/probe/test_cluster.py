"""The cluster that the fault tests stand on is what it says: processes on hosts of their own, or all on one."""

from __future__ import annotations

import hashlib
import os

import pytest

from tests.probe.cluster import running


@pytest.mark.parametrize("machines", [True, False], ids=["machines", "loopback"])
def test_what_is_pushed_through_one_gateway_is_on_its_owners_and_read_through_another(tmp_path, machines):
    data = os.urandom(3_000_000)
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    with running(tmp_path, ("a@x", "b@x", "c@y", "d@y"), machines=machines) as cluster:
        one, other = cluster.gateways.values()
        assert one.ask("POST", f"/v2/r/blobs/uploads/?digest={digest}", data)[0] == 201
        assert cluster.holders(digest) == cluster.owners(digest)
        assert len(cluster.holders(digest)) == 3
        assert other.ask("GET", f"/v2/r/blobs/{digest}")[2] == data
