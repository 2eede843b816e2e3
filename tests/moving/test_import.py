"""``holdfast import`` of what other registries have, running or on their disks: every tag and every digest is equal afterwards."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.clients import images
from tests.clients.engines import skopeo as skopeo_program
from tests.clients.programs import Program, need
from tests.moving import stock
from tests.moving.commands import begin, done
from tests.serving import wait_for
from tests.sync.peers import Peer, docker_registry

if TYPE_CHECKING:
    from pathlib import Path

    from tests.serving import Server

PEERS = ("docker-registry", "registry")


@pytest.mark.parametrize("program", PEERS)
def test_registry_of_others_arrives_whole_from_its_directory_and_from_its_api(
    program: str, registry: Server, here: Peer, tmp_path: Path
) -> None:
    with docker_registry(tmp_path / "old", program=program) as host:
        there = Peer(f"http://{host}")
        pushed = stock.fill(there, has_referrers=False)
        before = stock.contents_of(there)
        done("import", host, "--to", registry.url, "--prefix", f"{program}/api")
    assert contents_below(here, f"{program}/api") == before
    assert stock.referrers_of(here, f"{program}/api/team/app", pushed.subject) == {pushed.referrer}
    words = ("import", tmp_path / "old" / "data", "--to", registry.url, "--prefix", f"{program}/disk", "--json")
    assert done(*words).record["failures"] == 0
    assert contents_below(here, f"{program}/disk") == before
    assert stock.referrers_of(here, f"{program}/disk/team/app", pushed.subject) == {pushed.referrer}
    for digest in pushed.untagged["team/app"]:
        assert list(stock.everything_below(here, f"{program}/disk/team/app", digest))
    again = done(*words).record
    assert again["sentBytes"] == 0
    assert [one["tags"]["set"] for one in again["repositories"]] == [0, 0]


def contents_below(peer: Peer, prefix: str) -> dict[str, frozenset[str]]:
    found = stock.contents_of(peer, f"{prefix}/team/app", f"{prefix}/team/app/tools")
    return {name.removeprefix(f"{prefix}/"): digests for name, digests in found.items()}


def test_zot_root_arrives_whole_with_its_referrers_and_without_what_is_under_way(
    registry: Server, here: Peer, tmp_path: Path
) -> None:
    root = tmp_path / "zot"
    one = images.write(root / "team" / "app", images.Shape("one", layers=2, platforms=("linux/amd64", "linux/arm64")))
    two = images.write(root / "team" / "app" / "inner", images.Shape("two", layers=1))
    attached = stock.attach(one.layout, one.digest)
    images.write(root / "team" / "app" / ".sync" / "half", images.Shape("half", layers=1))
    (root / "team" / "app" / ".uploads").mkdir()
    told = done("import", root, "--to", registry.url, "--prefix", "zot", "--json").record
    assert {one["becomes"] for one in told["repositories"]} == {"zot/team/app", "zot/team/app/inner"}
    assert stock.names_of(here, "zot/team/app") == {"zot/team/app:v1": one.digest}
    assert stock.names_of(here, "zot/team/app/inner") == {"zot/team/app/inner:v1": two.digest}
    assert {layer.digest for layer in one.layers} < stock.contents_of(here, "zot/team/app")["zot/team/app:v1"]
    assert stock.referrers_of(here, "zot/team/app", one.digest) == {attached}


def test_layout_that_skopeo_made_arrives_under_the_name_it_is_given(
    registry: Server, here: Peer, tmp_path: Path
) -> None:
    skopeo = skopeo_program(tmp_path / "settings")
    made = images.write(tmp_path / "made", images.Shape("made", layers=3, platforms=("linux/amd64", "linux/arm64")))
    skopeo("copy", "--all", made.oci, f"oci:{tmp_path}/layout:v1")
    skopeo("copy", "--all", made.oci, f"oci:{tmp_path}/layout:v2")
    done("import", tmp_path / "layout", "--to", registry.url, "--name", "skopeo/made")
    assert stock.names_of(here, "skopeo/made") == {"skopeo/made:v1": made.digest, "skopeo/made:v2": made.digest}
    assert {layer.digest for layer in made.layers} < stock.contents_of(here, "skopeo/made")["skopeo/made:v2"]


@pytest.mark.parametrize("program", PEERS)
def test_images_and_attachments_that_skopeo_and_oras_pushed_arrive_from_registry_disk_and_layout(
    program: str, registry: Server, here: Peer, tmp_path: Path
) -> None:
    skopeo, oras = skopeo_program(tmp_path / "settings"), Program(need("oras"), {"HOME": str(tmp_path)})
    made = images.write(tmp_path / "made", images.Shape("made", layers=2, platforms=("linux/amd64", "linux/arm64")))
    (tmp_path / "sbom.txt").write_text("what is in it")
    with docker_registry(tmp_path / "old", program=program) as host:
        subject = f"{host}/team/app:v1"
        skopeo("copy", "--all", "--dest-tls-verify=false", made.oci, f"docker://{subject}")
        words = ("attach", "--plain-http", "--artifact-type", "x/sbom", "--format", "go-template={{.digest}}")
        attached = oras(*words, subject, "sbom.txt:text/plain", cwd=tmp_path).strip()
        oras("copy", "-r", "--from-plain-http", "--to-oci-layout", subject, f"{tmp_path}/layout:v1")
        before = stock.names_of(Peer(f"http://{host}"))
        done("import", host, "--to", registry.url, "--prefix", f"oras/{program}/api")
    done("import", tmp_path / "old" / "data", "--to", registry.url, "--prefix", f"oras/{program}/disk")
    done("import", tmp_path / "layout", "--to", registry.url, "--name", f"oras/{program}/layout/team/app")
    for way in ("api", "disk", "layout"):
        name = f"oras/{program}/{way}/team/app"
        found = {tag.removeprefix(name): digest for tag, digest in stock.names_of(here, name).items()}
        assert found[":v1"] == made.digest == before["team/app:v1"]
        assert way == "layout" or {f"team/app{tag}": digest for tag, digest in found.items()} == before
        assert stock.referrers_of(here, name, made.digest) == {attached}
        assert {layer.digest for layer in made.layers} < stock.contents_of(here, name)[f"{name}:v1"]


def test_import_that_is_killed_again_and_again_goes_on_where_it_was(
    registry: Server, here: Peer, tmp_path: Path
) -> None:
    made = images.write(tmp_path / "layout", images.Shape("large", layers=6, layer_bytes=(1 << 20) + 1))
    words = ("import", tmp_path / "layout", "--to", registry.url, "--name", "large", "-j", "1")
    for layer in made.layers[:2]:
        # Four layers are still to come, at one in a second.
        with begin(*words, "--rate", "1MiB") as process:

            def arrived(digest: str = layer.digest) -> bool:
                return here.request("HEAD", f"/v2/large/blobs/{digest}")[0] == 200

            wait_for("a layer to arrive", arrived)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL, "it was done before it was killed"
        assert here.request("GET", "/v2/large/manifests/v1")[0] == 404, "a tag came before all that it needs"
    told = done(*words, "--json")
    assert told.of("large")["blobs"]["stored"] <= 4
    assert stock.names_of(here, "large") == {"large:v1": made.digest}
    assert {layer.digest for layer in made.layers} < stock.contents_of(here, "large")["large:v1"]


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_import_that_is_killed_at_any_moment_goes_on_where_it_was(registry: Server, here: Peer, tmp_path: Path) -> None:
    with docker_registry(tmp_path / "old", program="registry") as host:
        there = Peer(f"http://{host}")
        for number in range(60):
            layers = (stock.bytes_of(f"soak {number % 20}"), stock.bytes_of(f"soak own {number}", 200_000))
            there.push_image(f"soak/{number % 12}", f"v{number}", *layers)
        before = stock.contents_of(there)
    words = ("import", tmp_path / "old" / "data", "--to", registry.url, "--prefix", "killed", "--json")
    die, kills, sent = random.Random(6), 0, set()
    while True:
        with begin(*words, *(("--link", registry.root / "data") if kills % 2 else ())) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                # Longer from time to time: on a busy machine a start alone takes seconds.
                process.wait(die.uniform(0.5, 1.5) * (1 + kills / 5))
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGKILL)
            kills += 1
        sent.add(len(stock.names_of(here, *(f"killed/soak/{number}" for number in range(12)))))
    after = stock.contents_of(here, *(f"killed/soak/{number}" for number in range(12)))
    print(f"{kills} kills, tags seen between them: {sorted(sent)}")
    assert kills > 3
    assert {name.removeprefix("killed/"): digests for name, digests in after.items()} == before
