"""``holdfast export``: layouts that others read, and that come back as they were."""

from __future__ import annotations

import json
import shutil
import signal
from typing import TYPE_CHECKING

from holdfast.ops.moving.layouts import REF_NAME
from tests.clients import images
from tests.clients.engines import skopeo as skopeo_program
from tests.clients.programs import Program, need
from tests.moving import stock
from tests.moving.commands import begin, done, run
from tests.serving import wait_for
from tests.sync.peers import digest_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.serving import Server
    from tests.sync.peers import Peer


def test_exported_repositories_come_back_with_equal_digests_and_referrers(
    registry: Server, here: Peer, tmp_path: Path
) -> None:
    pushed = stock.fill(here, has_referrers=True)
    names = ("team/app", "team/app/tools")
    before = stock.contents_of(here, *names)
    done("export", "team/**", tmp_path / "out", "--from", registry.url)
    done("import", tmp_path / "out", "--to", registry.url, "--prefix", "back")
    found = stock.contents_of(here, *(f"back/{name}" for name in names))
    assert {name.removeprefix("back/"): digests for name, digests in found.items()} == before
    assert stock.referrers_of(here, "back/team/app", pushed.subject) == {pushed.referrer}
    again = done("export", "team/**", tmp_path / "out", "--from", registry.url, "--json").record
    assert again["sentBytes"] == 0


def test_skopeo_and_oras_read_an_exported_layout(registry: Server, here: Peer, tmp_path: Path) -> None:
    made = images.write(tmp_path / "layout", images.Shape("read", layers=2, platforms=("linux/amd64", "linux/arm64")))
    attached = stock.attach(made.layout, made.digest)
    done("import", made.layout, "--to", registry.url, "--name", "read/by/others")
    done("export", "read/by/others:v1", tmp_path / "out", "--from", registry.url)
    layout = tmp_path / "out" / "read" / "by" / "others"
    skopeo = skopeo_program(tmp_path / "settings")
    skopeo("copy", "--all", f"oci:{layout}:v1", f"oci:{tmp_path}/copied:v1")
    copied = json.loads((tmp_path / "copied" / "index.json").read_text())
    assert [one["digest"] for one in copied["manifests"]] == [made.digest]
    oras = Program(need("oras"), {"HOME": str(tmp_path)})
    told = oras("discover", "--oci-layout", "--format", "json", f"{layout}:v1")
    assert [one["digest"] for one in json.loads(told)["referrers"]] == [attached]


def test_a_single_tag_or_digest_is_added_to_what_is_there(registry: Server, here: Peer, tmp_path: Path) -> None:
    first = here.push_image("parts", "first", stock.bytes_of("first", 100))
    second = here.push_image("parts", "second", stock.bytes_of("second", 100))
    third = here.push_image("parts", "third", stock.bytes_of("third", 100))
    for wanted in ("parts:first", "parts:second", f"parts@{third}"):
        done("export", wanted, tmp_path, "--from", registry.url)
    index = json.loads((tmp_path / "parts" / "index.json").read_text())
    named = {one["digest"]: (one.get("annotations") or {}).get(REF_NAME) for one in index["manifests"]}
    assert named == {first: "first", second: "second", third: None}
    assert run("export", "parts:fourth", tmp_path, "--from", registry.url).code == 1


def test_export_that_is_killed_leaves_only_whole_files_and_goes_on(
    registry: Server, here: Peer, tmp_path: Path
) -> None:
    made = images.write(tmp_path / "layout", images.Shape("slow", layers=5, layer_bytes=1 << 20))
    done("import", made.layout, "--to", registry.url, "--name", "slow")
    blobs = tmp_path / "out" / "slow" / "blobs" / "sha256"
    words = ("export", "slow", tmp_path / "out", "--from", registry.url, "-j", "1")
    with begin(*words, "--rate", "1MiB") as process:
        whole = lambda: [path for path in blobs.glob("*") if not path.name.startswith(".")]  # noqa: E731
        wait_for("a layer to be there", lambda: len(whole()) > 1)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, "it was done before it was killed"
    assert not (tmp_path / "out" / "slow" / "index.json").exists()
    assert all(digest_of(path.read_bytes()) == f"sha256:{path.name}" for path in whole())
    kept = len(whole())
    told = done(*words, "--json").of("slow")
    assert told["blobs"]["stored"] == 6 - kept
    shutil.rmtree(made.layout)
    done("import", tmp_path / "out", "--to", registry.url, "--prefix", "returned")
    assert stock.names_of(here, "returned/slow") == {"returned/slow:v1": made.digest}


def test_linked_export_takes_no_room_and_damaged_blobs_are_not_linked(
    registry: Server, here: Peer, tmp_path: Path
) -> None:
    layers = [stock.bytes_of(f"export {number}", 5000) for number in (1, 2)]
    here.push_image("links", "v1", *layers)
    node = registry.root / "data" / "node" / "blobs"
    files = [next(node.glob(f"*/{digest_of(layer).replace(':', '-')}")) for layer in layers]
    done("export", "links", tmp_path / "good", "--from", registry.url, "--link", registry.root / "data")
    exported = [tmp_path / "good" / "links" / "blobs" / "sha256" / file.name.removeprefix("sha256-") for file in files]
    assert [path.stat().st_ino for path in exported] == [file.stat().st_ino for file in files]
    files[0].unlink()
    files[0].write_bytes(b"x" + layers[0][1:])
    told = run("export", "links", tmp_path / "bad", "--from", registry.url, "--link", registry.root / "data", "--json")
    assert told.code == 1
    assert not (tmp_path / "bad" / "links" / "index.json").exists()
    files[0].unlink()
