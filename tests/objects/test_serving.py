"""A whole registry on an object store, every process real: push and pull by a client, ranges, a restart, collection.

A route beside it has a disk of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from holdfast.ops.children import EXIT_CONFIG
from storagenode.objects import keys
from tests.clients import engines, images
from tests.fakes.object_servers import SERVERS
from tests.fakes.s3 import shared_s3
from tests.gc.test_on_one_machine import SOON, digest_of, push_image
from tests.serving import serving, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fakes.object_servers import ObjectServer
    from tests.fakes.places import Prefix

MIB = 1 << 20


# The two others take a quarter of a minute each, and tests/objects/test_bucket.py asks them for all that a node asks for.
IN_LONG = [
    pytest.param(server, id=name, marks=pytest.mark.soak) for name, server in SERVERS.items() if name != "versitygw"
]


@pytest.mark.parametrize("server_of", [pytest.param(SERVERS["versitygw"], id="versitygw"), *IN_LONG])
def test_images_are_pushed_pulled_kept_over_a_restart_and_collected_beside_a_route_that_has_a_disk(
    server_of: Callable[[], ObjectServer], tmp_path: Path
) -> None:
    place = server_of().place()
    with place.told():
        _live_through_all_of_it(place, tmp_path)


def _live_through_all_of_it(place: Prefix, tmp_path: Path) -> None:
    here = {"/here": {"rootDirectory": str(tmp_path / "here")}}
    storage = SOON | {"storageDriver": dict(place.driver), "dedupe": False, "subPaths": here}
    skopeo = engines.skopeo(tmp_path / "skopeo")
    made = images.write(tmp_path / "image", images.Shape(name="objects", layers=3))
    on_disk = os.urandom(1000)
    layer = b"".join(bytes([number]) * MIB for number in range(12))
    with serving(tmp_path / "r", storage=storage) as server:
        skopeo("copy", "--dest-tls-verify=false", made.oci, f"docker://{server.host}/a/app:v1")
        gone, _ = push_image(server, "b/app", "v1", layer)
        push_image(server, "here/app", "v1", on_disk)
    assert not [key for key in _keys(place, keys.BLOBS) if digest_of(on_disk).removeprefix("sha256:") in key]
    with serving(tmp_path / "r", storage=storage) as server:
        assert server.request("GET", f"/v2/here/app/blobs/{digest_of(on_disk)}")[2] == on_disk
        skopeo("copy", "--src-tls-verify=false", f"docker://{server.host}/a/app:v1", f"dir:{tmp_path}/out")
        assert digest_of((tmp_path / "out" / "manifest.json").read_bytes()) == made.digest
        path = f"/v2/b/app/blobs/{digest_of(layer)}"
        assert server.request("GET", path)[2] == layer
        assert (
            server.request("GET", path, headers={"Range": f"bytes={MIB - 1}-{5 * MIB}"})[2]
            == layer[MIB - 1 : 5 * MIB + 1]
        )
        assert server.request("DELETE", f"/v2/b/app/manifests/{gone}")[0] == 202
        names = f"{digest_of(layer).replace(':', '-')}/"
        wait_for("the layer to go", lambda: not [key for key in _keys(place, keys.BLOBS) if names in key])
        assert [key for key in _keys(place, keys.TRASH) if names in key]
        assert server.request("GET", path)[0] == 404
        skopeo("inspect", "--tls-verify=false", f"docker://{server.host}/a/app:v1")
    for secret in ("secretkey", "accountkey"):
        assert place.driver.get(secret, "no such key") not in server.log.read_text()


def _keys(place, folder: str) -> list[str]:
    return [found.key for found in place.bucket().list(folder)]


def test_a_registry_without_a_local_directory_is_refused_by_name(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"storage": {"storageDriver": shared_s3().place().driver, "dedupe": False}}))
    done = subprocess.run(
        [sys.executable, "-m", "holdfast.cli", "serve", str(config)], capture_output=True, text=True, check=False
    )
    assert done.returncode == EXIT_CONFIG
    assert "storage.rootDirectory" in done.stderr
    assert list(tmp_path.iterdir()) == [config]
