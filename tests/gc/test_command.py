"""``holdfast gc`` as an operator types it, against a registry of one machine with three disks that each have their own terms."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from holdfast.cli import app
from holdfast.clock import SystemClock
from holdfast.meta import keys
from holdfast.meta.sqlite import SqliteStore
from holdfast.meta.store import MAX_OPS, Delete, pages
from tests.gc.test_on_one_machine import digest_of, push_blob, push_image
from tests.serving import serving, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

    from tests.serving import Server

# No cycle comes by itself, so nothing happens but what is ordered.
ORDERED = {"gc": True, "gcDelay": "1s", "gcInterval": "10h", "uploadExpiry": "1s"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # Such a long path that sockets have to be elsewhere.
    root = tmp_path_factory.mktemp("ordered") / ("deep" * 25)
    routes = {
        "/kept": {"rootDirectory": str(root / "kept")},
        "/slow": {"rootDirectory": str(root / "slow"), "gc": True, "gcDelay": "10h", "gcInterval": "10h"},
    }
    with serving(root, storage={**ORDERED, "subPaths": routes}) as server:
        yield server


def gc(config: Path, *words: str) -> Result:
    """Within this process: starting one for each takes longer than what it does."""
    return CliRunner().invoke(app, ["gc", *words, "--config", str(config)])


def told(server: Server, *words: str, codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
    """By the route of a disk, what a run said of it."""
    done = gc(server.config, "--json", *words)
    assert done.exit_code in codes, done.output
    (node,) = json.loads(done.stdout)["nodes"]
    return {disk["route"]: disk for disk in node["disks"]}


def forget_why(server: Server) -> None:
    """As metadata that has lost entries looks."""
    with contextlib.closing(SqliteStore(server.root / "data/meta/holdfast.db", SystemClock())) as store:
        words = [Delete(entry.key) for entry in pages(store, *keys.LOOSENED)]
        for first in range(0, len(words), MAX_OPS):
            assert store.txn([], words[first : first + MAX_OPS]).succeeded
    assert words


def test_what_an_operator_sees_from_the_first_look_to_the_last_byte(server: Server) -> None:
    stays, _ = push_image(server, "a/app", "stays", b"a layer that stays")
    layers = [os.urandom(20) for _ in range(101)]
    gone, _ = push_image(server, "a/app", "gone", *layers)
    of_others = {name: push_image(server, name, "gone", os.urandom(20))[0] for name in ("kept/app", "slow/app")}
    for name, digest in {"a/app": gone, **of_others}.items():
        assert server.request("DELETE", f"/v2/{name}/manifests/{digest}")[0] == 202

    assert told(server)[""]["waiting"]["count"] >= 102

    def links_are_due() -> bool:
        return told(server, "--dry-run", codes=(0, 3))[""]["linksRemoved"]["count"] == 102

    wait_for("the links' grace to end", links_are_due)
    assert "102 links that nothing needed were removed" in gc(server.config, "run").stdout

    # Nearly all of what is here is garbage now, and the metadata does not say why: nothing goes without a word.
    forget_why(server)

    def blobs_are_due() -> bool:
        return told(server, "--dry-run", codes=(0, 3))[""]["heldBack"]["count"] == 102

    wait_for("the blobs' grace to end", blobs_are_due)
    held = gc(server.config)
    assert (held.exit_code, "--allow-large" in held.stderr) == (3, True)
    asked = gc(server.config, "--allow-large")
    assert (asked.exit_code, "add --yes" in asked.stderr) == (1, True)
    assert told(server, "--dry-run", codes=(3,))[""]["toTrash"]["count"] == 0
    allowed = told(server, "--allow-large", "--yes")
    # The manifest went before, by the word that it was deleted.
    assert (allowed[""]["toTrash"]["count"], allowed[""]["trash"]["count"]) == (102, 103)
    assert allowed[""]["heldBackBecause"] == ""

    last = told(server)
    assert (last[""]["waiting"]["count"], last[""]["toTrash"]["count"]) == (0, 0)
    assert last["/slow"]["waiting"]["firstDueSeconds"] > 30000
    assert (last["/kept"]["collected"], last["/kept"]["waiting"]["count"]) == (False, 0)
    assert server.request("GET", f"/v2/a/app/manifests/{stays}")[0] == 200
    assert server.request("HEAD", f"/v2/a/app/blobs/{digest_of(layers[0])}")[0] == 404


def test_what_is_on_a_disk_that_is_not_collected_can_still_be_linked(server: Server) -> None:
    digest = push_blob(server, "kept/app", b"pushed, and no manifest came")
    told(server)
    assert server.request("HEAD", f"/v2/kept/app/blobs/{digest}")[0] == 200


def test_usage_that_makes_no_sense_is_refused(server: Server) -> None:
    assert gc(server.config, "n1").exit_code == 2
    assert gc(server.config, "--dry-run", "--allow-large").exit_code == 2


def test_who_asks_while_nothing_runs_is_told_so(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"storage": {"rootDirectory": str(tmp_path)}, "http": {"port": "5000"}}))
    done = gc(config)
    assert (done.exit_code, "holdfast serve" in done.stderr) == (1, True)


def test_without_a_configuration_it_is_the_registry_that_serve_runs_here(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(server.root)
    monkeypatch.delenv("HOLDFAST_CONFIG", raising=False)
    for words in (["gc", "--dry-run", "--json"], ["scrub", "--json"]):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, (words, done.output)


def test_where_no_registry_runs_it_is_told_how_to_name_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOLDFAST_CONFIG", raising=False)
    done = CliRunner().invoke(app, ["gc", "--dry-run"])
    assert done.exit_code != 0
    assert str(tmp_path) in done.output.replace("\n", "")
