"""``holdfast sync run``, ``pause`` and ``resume`` with a sync worker that does what they say."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.processes import cli
from tests.serving import serving, wait_for
from tests.sync.peers import digest_of
from tests.sync.shelf import Shelf

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.serving import Server

MIB = 1 << 20


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with Shelf().serving() as shelf:
        yield shelf


@pytest.fixture
def server(tmp_path: Path, shelf: Shelf) -> Iterator[Server]:
    """Its only mirror runs when it is asked for, and only then."""
    mirror = {
        "urls": [shelf.url],
        "content": [{"prefix": "team/**", "destination": "/up"}],
        "maxRetries": 0,
        "retryDelay": "100ms",
        "reqConcurrent": 2,
    }
    with serving(tmp_path, extensions={"sync": {"registries": [mirror]}}) as server:
        yield server


def sync(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    return cli("sync", *words, "--config", str(server.config))


def mirror_of(server: Server) -> dict[str, Any]:
    said = sync(server, "ls", "--json")
    assert said.returncode == 0, said.stderr
    (mirror,) = json.loads(said.stdout)
    return mirror


def has(server: Server, tag: str) -> bool:
    return server.request("HEAD", f"/v2/up/team/app/manifests/{tag}")[0] == 200


def test_a_run_that_is_asked_for_brings_everything_and_the_next_one_nothing(server: Server, shelf: Shelf) -> None:
    shelf.image("team/app", "v1", os.urandom(1000))
    shelf.image("team/app", "v2", os.urandom(MIB))
    first = sync(server, "run", shelf.host)
    assert first.returncode == 0, first.stderr
    assert "2 images, 2 changed" in first.stdout
    assert has(server, "v1")
    assert has(server, "v2")
    second = json.loads(sync(server, "run", mirror_of(server)["entry"], "--json").stdout)
    assert second["number"] == 2
    assert second["images"] == {"seen": 2, "changed": 0, "skipped": 0, "failed": 0}
    status = json.loads(sync(server, "status", "--json").stdout)
    metrics = {one["name"]: one["value"] for one in status["workers"][0]["metrics"]}
    assert (metrics["runs_succeeded"], metrics["run_images_changed"]) == (2, 2)


def test_a_run_that_fails_says_why_and_status_remembers_it(server: Server, shelf: Shelf) -> None:
    shelf.image("team/app", "v1", os.urandom(1000))
    shelf.failing = 500
    failed = sync(server, "run", shelf.host)
    assert failed.returncode == 1
    assert shelf.host in failed.stderr.splitlines()[-1]
    page = sync(server, "status")
    assert page.returncode == 1
    assert f"problem: {mirror_of(server)['entry']}" in page.stdout
    shelf.failing = 0
    assert sync(server, "run", shelf.host).returncode == 0
    assert sync(server, "status").returncode == 0


def test_a_paused_run_lets_go_of_its_image_and_goes_on_when_it_is_resumed(server: Server, shelf: Shelf) -> None:
    layer = os.urandom(2 * MIB)
    shelf.image("team/app", "v1", layer)
    shelf.image("team/app", "v2", os.urandom(1000))
    gate = shelf.hold(layer, MIB)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(sync, server, "run", shelf.host)
        wait_for("the first image to be on its way", lambda: shelf.given[digest_of(layer)] == MIB)
        status = json.loads(sync(server, "status", "--json").stdout)
        (mirror,), (fetch,) = status["mirrors"], status["fetches"]
        assert mirror["run"]["repositories"] == [
            {"repository": "team/app", "worker": "local", "lastTag": None, "done": False}
        ]
        assert fetch["digest"] == digest_of(layer)
        assert sync(server, "pause", shelf.host).returncode == 0
        assert "lets it go on" in asked.result().stderr
        assert asked.result().returncode == 1
    gate.set()
    wait_for("it to be let go", lambda: mirror_of(server)["run"]["repositories"][0]["worker"] is None)
    assert mirror_of(server)["run"]["running"]
    assert not has(server, "v1")
    assert not has(server, "v2")
    assert sync(server, "resume", shelf.host).returncode == 0
    wait_for("the run to end", lambda: not mirror_of(server)["run"]["running"])
    assert mirror_of(server)["run"]["images"]["changed"] == 2
    assert has(server, "v1")
    assert has(server, "v2")
    # What had come of it before the pause was not fetched again.
    assert shelf.given[digest_of(layer)] == len(layer)
