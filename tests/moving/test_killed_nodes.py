"""A storage node that dies while it takes a file for a blob: an import goes on, nothing half-taken stays, the file is as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.clients import images
from tests.crash.control import Control
from tests.moving import stock
from tests.moving.commands import run
from tests.serving import serving, wait_for
from tests.sync.peers import Peer

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = 120.0
# Taken and not told; hashed and not durable; a blob and not linked. "after": it has happened, and nobody was told.
POINTS = ("node.unlink.data.after", "node.fsync.given.before", "node.rename.blob.after")


@pytest.mark.timeout(400)
def test_node_that_dies_at_any_step_of_taking_a_file_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = Control(tmp_path / "control")
    for name, value in control.environment.items():
        monkeypatch.setenv(name, value)
    with serving(tmp_path / "registry") as registry:
        here, data = Peer(registry.url), registry.root / "data"
        for number, point in enumerate(POINTS):
            made = images.write(tmp_path / f"{number}", images.Shape(f"{number}", layers=1, layer_bytes=(1 << 20) + 9))
            layer = made.layout / "blobs" / "sha256" / made.layers[0].digest.removeprefix("sha256:")
            before = layer.read_bytes()
            words = ("import", made.layout, "--to", registry.url, "--name", f"app{number}", "--link", data)
            control.arm(point)
            told = run(*words)
            # The small blobs pass by some of these points, too; either way a node has died on the way.
            assert control.fired == point, told.out + told.err
            wait_for("the node to be back", lambda words=words: run(*words).code == 0, _SECONDS)
            assert stock.names_of(here, f"app{number}") == {f"app{number}:v1": made.digest}
            assert made.layers[0].digest in stock.contents_of(here, f"app{number}")[f"app{number}:v1"]
            assert layer.read_bytes() == before
            assert layer.stat().st_nlink <= 2
        staged = [path.name for path in (data / "node" / "staging").iterdir()]
        assert not [name for name in staged if ".given." in name], staged
    control.close()
