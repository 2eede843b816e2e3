"""Two gibibytes in one layer, there and back, and memory that does not notice."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.clients import images
from tests.clients.traffic import copies
from tests.serving import serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.clients.programs import Program
    from tests.serving import Server

LAYER_BYTES = 2 * 1024 * images.MIB
# What all processes together may grow by; the layer is thirty times as large.
GROWTH_BYTES = 64 * images.MIB


def resident_bytes(server: Server) -> int:
    supervisor = psutil.Process(server.process.pid)
    return sum(process.memory_info().rss for process in [supervisor, *supervisor.children(recursive=True)])


@pytest.mark.slow
def test_layer_of_two_gibibytes_is_pushed_and_pulled(skopeo: Program, tmp_path: Path) -> None:
    made = images.write_sparse(tmp_path / "image", LAYER_BYTES)
    (layer,) = made.layers
    try:
        with serving(tmp_path / "registry") as server:
            name = f"docker://{server.host}/models/large:v1"
            before = resident_bytes(server)
            # Without --preserve-digests skopeo would send the few compressed bytes.
            skopeo("copy", "--preserve-digests", "--dest-tls-verify=false", made.oci, name)
            (stored,) = copies(server.root / "data", layer.digest)
            assert stored.stat().st_size == LAYER_BYTES
            skopeo("copy", "--src-tls-verify=false", name, f"dir:{tmp_path}/pulled")
            assert (tmp_path / "pulled" / layer.digest.removeprefix("sha256:")).stat().st_size == LAYER_BYTES
            assert resident_bytes(server) - before < GROWTH_BYTES
    finally:
        for name in ("registry", "pulled", "image"):
            shutil.rmtree(tmp_path / name, ignore_errors=True)
