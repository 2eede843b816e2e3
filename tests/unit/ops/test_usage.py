"""What ``holdfast usage`` says of a registry of one machine, read from its metadata."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from holdfast.cli import app
from holdfast.clock import SystemClock
from holdfast.meta import keys
from holdfast.meta.repos import Repositories
from holdfast.meta.sqlite import SqliteStore
from holdfast.meta.store import Delete, pages
from holdfast.names import repository
from tests.unit.meta.world import blob, new_ids

KIB = 1024


@pytest.fixture
def registry(tmp_path):
    """Two teams: one blob of 2 KiB is both teams', one of 1 KiB each is its own."""
    (tmp_path / "data" / "meta").mkdir(parents=True)
    store = SqliteStore(tmp_path / "data" / "meta" / "holdfast.db", SystemClock())
    repos = Repositories(store, new_ids(), SystemClock())
    for name in ("team/a", "team/b"):
        for digest, size in ((blob("shared"), 2 * KIB), (blob(name), KIB)):
            repos.add_link(repository(name), digest, size, repos.fence(digest))
    file = tmp_path / "config.json"
    quotas = {"team/**": "8KiB", "none": "0"}
    file.write_text(json.dumps({"storage": {"rootDirectory": str(tmp_path / "data"), "quotas": quotas}}))
    yield file, store
    store.close()


def run(file, *arguments):
    return CliRunner().invoke(app, ["usage", "--config", str(file), *arguments])


def test_every_repository_is_told_with_what_is_its_own_and_what_it_shares(registry):
    said = json.loads(run(registry[0], "--json").stdout)
    assert [(one["repository"], one["ownBytes"], one["sharedBytes"]) for one in said["repositories"]] == [
        ("team/a", KIB, 2 * KIB),
        ("team/b", KIB, 2 * KIB),
    ]
    assert (said["distinctBlobs"], said["distinctBytes"]) == (3, 4 * KIB)
    assert said["quotas"] == [
        {"quota": "team/**", "repositories": 2, "usedBytes": 6 * KIB, "limitBytes": 8 * KIB, "share": 0.75},
        {"quota": "none", "repositories": 0, "usedBytes": 0, "limitBytes": 0, "share": 1.0},
    ]


def test_a_person_reads_tables_of_what_a_glob_matches(registry):
    said = run(registry[0], "*/a")
    assert said.exit_code == 0, said.output
    assert "team/a" in said.stdout
    assert "team/b" not in said.stdout
    assert "75%" in said.stdout
    assert "3 blobs in all, 4.00 KiB on a disk that holds each once" in said.stdout
    assert "--recount" not in said.output


def test_counts_that_are_wrong_are_told_and_set_by_a_recount(registry):
    file, store = registry
    for entry in pages(store, *keys.usage_below("team/a")):
        store.txn([], [Delete(entry.key)])
    said = run(file)
    assert "the counts of 1 repository (team/a) are not what is there" in said.output
    said = run(file, "--recount")
    assert "team/a: counted 0 B, is 3.00 KiB" in said.stdout
    assert json.loads(run(file, "--recount", "--json").stdout)["repaired"] == []


def test_a_registry_that_is_not_there_is_told_and_nothing_is_made(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"storage": {"rootDirectory": str(tmp_path / "data")}}))
    said = run(file)
    assert said.exit_code == 78
    assert "there is no registry in" in said.output
    assert not (tmp_path / "data").exists()


def test_a_refused_configuration_ends_with_every_fault(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"storage": {"rootDirectory": "/d", "quotas": {"team/[": "many"}}}))
    said = run(file)
    assert said.exit_code == 78
    assert "storage.quotas" in said.output
