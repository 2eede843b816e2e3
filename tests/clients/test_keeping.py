"""What users see of storage: one copy of a shared layer, a data directory that can be carried away, a checked configuration."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.clients.traffic import copies
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.clients.images import Image
    from tests.clients.programs import Program
    from tests.clients.traffic import Traffic
    from tests.serving import Server

IMAGES = 12


def test_layer_that_many_images_share_is_sent_once_and_stored_once(
    registry: Server, skopeo: Program, image: Callable[..., Image], repository: str, traffic: Traffic
) -> None:
    made = [image(layers=3, shared=2) for _ in range(IMAGES)]
    shared, own = made[0].layers[:2], [one.layers[2] for one in made]
    assert all(one.layers[:2] == shared for one in made)
    for number, one in enumerate(made):
        skopeo("copy", "--dest-tls-verify=false", one.oci, f"docker://{registry.host}/{repository}/{number}:v1")
    for layer in [*shared, *own]:
        assert len(copies(registry.root / "data", layer.digest)) == 1
    # Each image sends a layer and a configuration of its own; the shared layers come by mount after the first.
    assert len(traffic.uploads()) == 2 * IMAGES + len(shared)
    assert len(traffic.mounts()) == (IMAGES - 1) * len(shared)


def test_data_directory_is_moved_while_stopped_and_serves_from_its_new_place(
    skopeo: Program, go_program: Callable[[str], Program], image: Callable[..., Image], tmp_path: Path
) -> None:
    index, single = image(platforms=("linux/amd64", "linux/arm64")), image(layers=3)
    oras = go_program("oras")
    with serving(tmp_path / "here") as server:
        name = f"docker://{server.host}/team/app"
        skopeo("copy", "--all", "--dest-tls-verify=false", index.oci, f"{name}:both")
        skopeo("copy", "--dest-tls-verify=false", single.oci, f"{name}:one")
        (tmp_path / "note").write_text("attached")
        attach = ("attach", "--plain-http", "--artifact-type", "a/note", f"{server.host}/team/app:one", "note")
        oras(*attach, cwd=tmp_path)
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / "here" / "data").rename(tmp_path / "elsewhere" / "registry")
    assert not files_that_mention(moved, str(tmp_path / "here"))

    with serving(tmp_path / "there", storage={"rootDirectory": str(moved)}) as server:
        name = f"docker://{server.host}/team/app"
        for tag, digest in (("both", index.digest), ("one", single.digest)):
            skopeo("copy", "--all", "--src-tls-verify=false", f"{name}:{tag}", f"oci:{tmp_path}/out:{tag}")
            assert server.request("HEAD", f"/v2/team/app/manifests/{tag}")[1]["docker-content-digest"] == digest
        found = json.loads(oras("discover", "--plain-http", "--format", "json", f"{server.host}/team/app:one"))
        assert [r["artifactType"] for r in found["referrers"]] == ["a/note"]
        skopeo("copy", "--dest-tls-verify=false", single.oci, f"{name}:again")


def files_that_mention(directory: Path, text: str) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_verify_calls_a_good_configuration_valid(tmp_path: Path) -> None:
    done = verify(tmp_path, {"storage": {"rootDirectory": str(tmp_path / "data")}, "http": {"port": "5000"}})
    assert (done.returncode, "is valid" in done.stdout) == (0, True), done.stderr


def test_verify_tells_every_fault_of_a_bad_configuration_with_its_path(tmp_path: Path) -> None:
    faulty = {
        "storage": {"rootDirectory": str(tmp_path / "data"), "gcDelay": "soon"},
        "http": {"port": "99999", "colour": "red"},
        "log": {"level": "chatty"},
    }
    done = verify(tmp_path, faulty)
    assert done.returncode == 1
    for path in ("storage.gcDelay", "http.port", "http.colour", "log.level"):
        assert path in done.stdout + done.stderr
    assert not (tmp_path / "data").exists()


def verify(directory: Path, config: dict[str, dict[str, str]]) -> subprocess.CompletedProcess[str]:
    path = directory / "config.json"
    path.write_text(json.dumps(config))
    words = [sys.executable, "-m", "holdfast.cli", "verify", str(path)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
