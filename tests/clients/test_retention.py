"""Retention as its users see it: a preview that is what then happens, and images that still pull."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.clients.images import INDEX
from tests.clients.programs import Program, need
from tests.gc.test_on_one_machine import stored
from tests.serving import serving, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.clients.images import Image
    from tests.serving import Server

POLICY = {
    "repositories": ["team/**"],
    "deleteReferrers": True,
    "keepTags": [{"patterns": ["^v"], "mostRecentlyPulledCount": 2}, {"patterns": ["^keep"]}],
}


def storage(*, dry_run: bool) -> dict[str, Any]:
    retention = {"dryRun": dry_run, "delay": "1s", "policies": [POLICY]}
    return {"gc": True, "gcDelay": "1s", "gcInterval": "300ms", "retention": retention}


def test_what_the_preview_shows_goes_and_the_rest_still_pulls(
    skopeo: Program, image: Callable[..., Image], tmp_path: Path
) -> None:
    tags = ("v1", "v2", "v3", "old", "keep")
    made = {tag: image(platforms=("linux/amd64", "linux/arm64") if tag == "keep" else ()) for tag in tags}
    oras = Program(need("oras"), {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "docker")})
    (tmp_path / "note").write_text("attached")
    with serving(tmp_path, storage=storage(dry_run=True)) as server:
        name = f"docker://{server.host}/team/app"
        for tag, one in made.items():
            skopeo("copy", "--all", "--dest-tls-verify=false", one.oci, f"{name}:{tag}")
        for tag in ("v3", "v1"):
            about = f"{server.host}/team/app:{tag}"
            oras("attach", "--plain-http", "--artifact-type", "a/note", about, "note", cwd=tmp_path)
        for tag in ("v1", "v2"):
            skopeo("copy", "--src-tls-verify=false", f"{name}:{tag}", f"dir:{tmp_path}/first-{tag}")
        wait_for("the dry run to say what would go", lambda: server.told("retention would remove"))
        listed = server.request("GET", "/v2/team/app/tags/list")[2]
        assert sorted(json.loads(listed)["tags"]) == sorted(tags)

    # No registry runs: a preview asks its metadata alone.
    shown = preview(server)
    going = [one for one in shown if not one["stays"]]
    assert {one["tag"] for one in going if one["tag"]} == {"v3", "old"}
    expected = {made["v3"].digest, made["old"].digest, *attached(shown, going)}
    assert {one["digest"] for one in going if not one["tag"]} == expected

    with serving(tmp_path, storage=storage(dry_run=False)) as server:
        name = f"docker://{server.host}/team/app"
        gone = {one["digest"] for one in going if not one["tag"]}
        wait_for("manifests and blobs to go", lambda: not stored(server) & gone, 60)
        said = [(line.get("tag"), line["digest"], line["rule"]) for line in server.told("retention removed")]
        assert sorted(said, key=str) == sorted(((one["tag"], one["digest"], one["rule"]) for one in going), key=str)
        assert preview(server) == [one for one in shown if one["stays"]]
        assert set(json.loads(skopeo("list-tags", "--tls-verify=false", name))["Tags"]) == {"v1", "v2", "keep"}
        for tag in ("v1", "v2", "keep"):
            skopeo("copy", "--all", "--src-tls-verify=false", f"{name}:{tag}", f"dir:{tmp_path}/then-{tag}")
        referring = server.request("GET", f"/v2/team/app/referrers/{made['v1'].digest}", None, {"Accept": INDEX})[2]
        assert len(json.loads(referring)["manifests"]) == 1


def attached(shown: list[dict[str, Any]], going: list[dict[str, Any]]) -> list[str]:
    """What refers to something that goes; one of the two notes does, and is shown with its rule."""
    found = [one["digest"] for one in going if one["rule"].endswith("deleteReferrers")]
    assert len(found) == 1
    assert [one for one in shown if one["rule"].startswith("refers to ")]
    return found


def preview(server: Server) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "holdfast.cli", "retention", "preview", str(server.config), "--json"]
    done = subprocess.run(command, check=True, capture_output=True)
    verdicts: list[dict[str, Any]] = json.loads(done.stdout)["verdicts"]
    return verdicts
