"""A cluster of processes on one host, where gateways take the short circuits; ``test_faults`` has one on many."""

from __future__ import annotations

import hashlib
import os

from tests.probe.cluster import running


def test_what_is_pushed_through_one_gateway_is_on_its_owners_and_read_through_another(tmp_path):
    data = os.urandom(3_000_000)
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    with running(tmp_path, ("a@x", "b@x", "c@y", "d@y"), machines=False) as cluster:
        one, other = cluster.gateways.values()
        assert one.ask("POST", f"/v2/r/blobs/uploads/?digest={digest}", data)[0] == 201
        assert cluster.holders(digest) == cluster.owners(digest)
        assert len(cluster.holders(digest)) == 3
        assert other.ask("GET", f"/v2/r/blobs/{digest}")[2] == data
