"""``holdfast import --link``: files of a source become blobs by a further name. Nothing is copied, and nothing is trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.clients import images
from tests.moving import stock
from tests.moving.commands import done, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.clients.images import Image
    from tests.serving import Server
    from tests.sync.peers import Peer


def layout(path: Path, name: str) -> Image:
    return images.write(path, images.Shape(name, layers=2, layer_bytes=(1 << 20) + 1000))


def file_of(image: Image, digest: str) -> Path:
    return image.layout / "blobs" / "sha256" / digest.removeprefix("sha256:")


def test_large_blobs_become_further_names_of_the_files_and_are_served(
    registry: Server, here: Peer, tmp_path: Path
) -> None:
    made = layout(tmp_path / "layout", "linked")
    files = [file_of(made, layer.digest) for layer in made.layers]
    before = [file.read_bytes() for file in files]
    words = ("import", made.layout, "--to", registry.url, "--name", "linked", "--json")
    told = done(*words, "--link", registry.root / "data")
    assert told.of("linked")["blobs"] == {"found": 3, "stored": 3, "linked": 2}
    assert [file.stat().st_nlink for file in files] == [2, 2]
    assert stock.names_of(here, "linked") == {"linked:v1": made.digest}
    assert {layer.digest for layer in made.layers} < stock.contents_of(here, "linked")["linked:v1"]
    assert [file.read_bytes() for file in files] == before
    assert done(*words, "--link", registry.root / "data").record["sentBytes"] == 0


def test_damaged_file_is_told_of_and_neither_linked_nor_imported(registry: Server, here: Peer, tmp_path: Path) -> None:
    made = layout(tmp_path / "layout", "damaged")
    bad = file_of(made, made.layers[0].digest)
    bad.write_bytes(b"x" + bad.read_bytes()[1:])
    for words in ((), ("--link", registry.root / "data")):
        told = run("import", made.layout, "--to", registry.url, "--name", "damaged", "--json", *words)
        assert told.code == 1
        whys = [failure["why"] for failure in told.of("damaged")["failures"]]
        assert whys == [
            f"the source is damaged: the bytes of {made.layers[0].digest} are others",
            f"its manifest {made.digest} is not there",
        ]
    assert bad.stat().st_nlink == 1
    assert here.request("GET", "/v2/damaged/manifests/v1")[0] == 404
    assert here.request("HEAD", f"/v2/damaged/blobs/{made.layers[0].digest}")[0] == 404


def test_link_to_a_directory_on_which_nothing_runs_is_refused(registry: Server, tmp_path: Path) -> None:
    made = layout(tmp_path / "layout", "refused")
    told = run("import", made.layout, "--to", registry.url, "--link", tmp_path)
    assert told.code == 2
    assert "is storage.rootDirectory of a running" in told.err
