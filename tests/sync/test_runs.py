"""``holdfast sync run``, ``pause`` and ``resume`` with a sync worker that does what they say."""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.processes import cli
from tests.serving import serving, wait_for
from tests.sync.operator import says, told
from tests.sync.peers import digest_of
from tests.sync.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serving import Server

MIB = 1 << 20
_NAMES = ("everything", "failing", "paused")


@pytest.fixture(scope="module")
def shelves() -> Iterator[dict[str, Shelf]]:
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(Shelf().serving()) for name in _NAMES}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shelves: dict[str, Shelf]) -> Iterator[Server]:
    """Its mirrors run when they are asked for, and only then."""
    mirrors = [
        {
            "urls": [shelf.url],
            "content": [{"prefix": "team/**", "destination": f"/{name}"}],
            "maxRetries": 0,
            "retryDelay": "100ms",
            "reqConcurrent": 2,
        }
        for name, shelf in shelves.items()
    ]
    with serving(tmp_path_factory.mktemp("runs"), extensions={"sync": {"registries": mirrors}}) as server:
        wait_for("the sync worker", lambda: says(server, "status").exit_code == 0)
        yield server


def mirror_of(server: Server, shelf: Shelf) -> dict[str, Any]:
    (mirror,) = [one for one in told(server, "ls") if one["urls"] == [shelf.url]]
    return mirror


def has(server: Server, repository: str, tag: str) -> bool:
    return server.request("HEAD", f"/v2/{repository}/manifests/{tag}")[0] == 200


def test_a_run_that_is_asked_for_brings_everything_and_the_next_one_nothing(
    server: Server, shelves: dict[str, Shelf]
) -> None:
    shelf = shelves["everything"]
    shelf.image("team/app", "v1", os.urandom(1000))
    shelf.image("team/app", "v2", os.urandom(MIB))
    first = says(server, "run", shelf.host)
    assert first.exit_code == 0, first.stderr
    assert "2 images, 2 changed" in first.stdout
    assert has(server, "everything/team/app", "v1")
    assert has(server, "everything/team/app", "v2")
    second = told(server, "run", mirror_of(server, shelf)["entry"])
    assert second["number"] == 2
    assert second["images"] == {"seen": 2, "changed": 0, "skipped": 0, "failed": 0}
    status = told(server, "status")
    metrics = {one["name"]: one["value"] for one in status["workers"][0]["metrics"] if one["upstream"] == shelf.url}
    assert (metrics["runs_succeeded"], metrics["run_images_changed"]) == (2, 2)


def test_a_run_that_fails_says_why_and_status_remembers_it(server: Server, shelves: dict[str, Shelf]) -> None:
    shelf = shelves["failing"]
    shelf.image("team/app", "v1", os.urandom(1000))
    shelf.failing = 500
    failed = says(server, "run", shelf.host)
    assert failed.exit_code == 1
    assert shelf.host in failed.stderr.splitlines()[-1]
    page = says(server, "status")
    assert page.exit_code == 1
    assert f"problem: {mirror_of(server, shelf)['entry']}" in page.stdout
    shelf.failing = 0
    assert says(server, "run", shelf.host).exit_code == 0
    assert says(server, "status").exit_code == 0


def test_a_paused_run_lets_go_of_its_image_and_goes_on_when_it_is_resumed(
    server: Server, shelves: dict[str, Shelf]
) -> None:
    shelf = shelves["paused"]
    layer = os.urandom(2 * MIB)
    shelf.image("team/app", "v1", layer)
    shelf.image("team/app", "v2", os.urandom(1000))
    gate = shelf.hold(layer, MIB)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(cli, "sync", "run", shelf.host, "--config", str(server.config))
        wait_for("the first image to be on its way", lambda: shelf.given[digest_of(layer)] == MIB)
        (fetch,) = told(server, "status")["fetches"]
        assert mirror_of(server, shelf)["run"]["repositories"] == [
            {"repository": "team/app", "worker": "local", "lastTag": None, "done": False}
        ]
        assert fetch["digest"] == digest_of(layer)
        assert says(server, "pause", shelf.host).exit_code == 0
        assert "lets it go on" in asked.result().stderr
        assert asked.result().returncode == 1
    wait_for("it to be let go", lambda: mirror_of(server, shelf)["run"]["repositories"][0]["worker"] is None)
    gate.set()
    assert mirror_of(server, shelf)["run"]["running"]
    assert not has(server, "paused/team/app", "v1")
    assert not has(server, "paused/team/app", "v2")
    assert says(server, "resume", shelf.host).exit_code == 0
    wait_for("the run to end", lambda: not mirror_of(server, shelf)["run"]["running"])
    assert mirror_of(server, shelf)["run"]["images"]["changed"] == 2
    assert has(server, "paused/team/app", "v1")
    assert has(server, "paused/team/app", "v2")
    # What had come of it before the pause was not fetched again.
    assert shelf.given[digest_of(layer)] == len(layer)
