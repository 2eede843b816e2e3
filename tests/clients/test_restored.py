"""A registry whose names were lost and restored from a backup, as clients find it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.ops.byhand import must
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.clients.images import Image
    from tests.clients.programs import Program


def test_an_image_is_pulled_from_a_registry_whose_names_were_lost_and_restored(
    skopeo: Program, image: Callable[..., Image], tmp_path: Path
) -> None:
    made = image(platforms=("linux/amd64", "linux/arm64"))
    with serving(tmp_path / "r") as server:
        skopeo("copy", "--all", "--dest-tls-verify=false", made.oci, f"docker://{server.host}/team/app:v1")
        must(tmp_path / "r", "backup", str(tmp_path / "b"))
    shutil.rmtree(tmp_path / "r/data/meta")
    must(tmp_path / "r", "restore", str(tmp_path / "b"))
    with serving(tmp_path / "r") as server:
        name = f"docker://{server.host}/team/app:v1"
        skopeo("copy", "--all", "--src-tls-verify=false", name, f"oci:{tmp_path}/out:v1")
        assert server.request("HEAD", "/v2/team/app/manifests/v1")[1]["docker-content-digest"] == made.digest
        skopeo("copy", "--all", "--dest-tls-verify=false", made.oci, f"docker://{server.host}/team/other:v1")
