"""storage.maxRepos and a mirror: no pull makes one repository too many, and what is stored is served."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.serving import serving, wait_for
from tests.sync.mirrored import registries
from tests.sync.peers import digest_of
from tests.sync.stock import Stock
from tests.unit.gateway.test_metrics import values

if TYPE_CHECKING:
    from pathlib import Path


def test_a_pull_makes_no_repository_too_many_and_what_is_stored_is_served(tmp_path: Path) -> None:
    with Stock().serving() as stock:
        images = {name: stock.image(name, "v1", name.encode() * 100) for name in ("team/one", "team/two")}
        layer = b"team/one" * 100
        sync = {"registries": registries({"/up": [stock.url]})}
        storage = {"rootDirectory": str(tmp_path / "data"), "maxRepos": 1}
        with serving(tmp_path / "mirror", storage=storage, extensions={"sync": sync, "metrics": {}}) as server:

            def pulled(path: str) -> tuple[int, bytes]:
                status, _, body = server.request("GET", f"/v2/up/{path}")
                return status, body

            assert pulled("team/one/manifests/v1") == (200, images["team/one"])
            status, body = pulled("team/two/manifests/v1")
            assert (status, json.loads(body)["errors"][0]["code"]) == (403, "DENIED")
            assert "there are 1 repositories and may be no more" in json.loads(body)["errors"][0]["message"]
            # The one that is there still fills, and is there although its upstream is not asked.
            assert pulled(f"team/one/blobs/{digest_of(layer)}") == (200, layer)
            assert pulled("team/one/manifests/v1") == (200, images["team/one"])
            status, _, body = server.request("GET", "/v2/_catalog")
            assert json.loads(body)["repositories"] == ["up/team/one"]
            asked = ("holdfast_sync_upstream_requests_total", frozenset({("upstream", stock.url)}))
            wait_for("the worker's counts", lambda: values(server.request("GET", "/metrics")[2]).get(asked))
            assert "a repository is not mirrored: there are 1 repositories" in server.log.read_text()
