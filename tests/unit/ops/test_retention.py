"""What ``holdfast retention preview`` says of a registry of one machine, read from its metadata."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from holdfast.cli import app
from holdfast.clock import SystemClock
from holdfast.meta import keys
from holdfast.meta.pulls import PullTimes
from holdfast.meta.repos import Repositories
from holdfast.meta.sqlite import SqliteStore
from holdfast.meta.store import Put
from holdfast.names import repository, tag
from tests.unit.meta.world import blob, image, index, keys_below, new_ids, push

TEAM, OTHER = repository("team/app"), repository("other/app")
POLICIES = [{"repositories": ["team/*"], "keepTags": [{"patterns": ["^keep"]}]}]


@pytest.fixture
def registry(tmp_path):
    """A team's image that stays, an index that goes, and another's that no policy is for."""
    (tmp_path / "data" / "meta").mkdir(parents=True)
    store = SqliteStore(tmp_path / "data" / "meta" / "holdfast.db", SystemClock())
    repos = Repositories(store, new_ids(), SystemClock())
    push(repos, image("m"), tag("keep"), repo=TEAM)
    push(repos, image("child"), repo=TEAM)
    push(repos, index("i", blob("child")), tag("old"), repo=TEAM)
    push(repos, image("m"), tag("old"), repo=OTHER)
    PullTimes(store).write({(TEAM, blob("m")): 1_700_000_000.0})
    yield configured(tmp_path), store
    store.close()


def configured(tmp_path, **storage):
    file = tmp_path / "config.json"
    retention = {"delay": "0s", "policies": POLICIES, **storage.pop("retention", {})}
    told = {"rootDirectory": str(tmp_path / "data"), "retention": retention, **storage}
    file.write_text(json.dumps({"storage": told}))
    return file


def run(file, *arguments):
    return CliRunner().invoke(app, ["retention", "preview", str(file), *arguments])


def test_programs_read_every_verdict_with_its_rule_and_what_it_is_about(registry):
    said = json.loads(run(registry[0], "--json").stdout)
    label = "retention.policies[0]"
    assert [(one["repository"], one["tag"], one["stays"], one["rule"]) for one in said["verdicts"]] == [
        ("other/app", "old", True, "no policy takes anything from it"),
        ("team/app", "keep", True, f"{label}.keepTags[0]: patterns"),
        ("team/app", "old", False, f"{label}: matches none of keepTags"),
        *(("team/app", None, False, f"{label}: deleteUntagged") for _ in range(2)),
    ]
    keep = said["verdicts"][1]
    assert (keep["digest"], keep["sizeBytes"], keep["pulledSeconds"]) == (str(blob("m")), 100, 1_700_000_000.0)
    assert keep["pushedSeconds"] == pytest.approx(SystemClock().wall(), abs=600)
    assert said["verdicts"][2]["sizeBytes"] == 200
    assert (said["gc"], said["dryRun"], said["unread"]) == (True, False, [])


def test_a_person_reads_a_table_of_what_a_glob_matches(registry):
    said = run(registry[0], "--repository", "team/**")
    assert said.exit_code == 0, said.output
    assert "other/app" not in said.stdout
    assert "2023-11-14 22:13:20" in said.stdout
    assert "1 tag and 2 manifests would go, 1 other would stay" in said.stdout


def test_nothing_is_changed(registry):
    file, store = registry
    before = keys_below(store, b"\0")
    run(file)
    assert keys_below(store, b"\0") == before


def test_children_of_an_index_that_stays_are_left_out_of_the_table(registry, tmp_path):
    file = configured(tmp_path, retention={"policies": [{"repositories": ["**"]}]})
    assert str(blob("child")) not in run(file).stdout
    assert str(blob("child")) in run(file, "--json").stdout


@pytest.mark.parametrize(
    ("storage", "told"),
    [({"gc": False}, "storage.gc is off: nothing goes"), ({"retention": {"dryRun": True}}, "is only logged")],
)
def test_why_nothing_of_it_happens_is_told(registry, tmp_path, storage, told):
    assert told in run(configured(tmp_path, **storage)).stdout


def test_a_repository_that_cannot_be_read_is_named_and_the_others_are_shown(registry):
    file, store = registry
    store.txn([], [Put(keys.tag(OTHER, tag("old")), b"\xffnonsense")])
    said = run(file)
    assert "team/app" in said.stdout
    assert "nothing is taken from them: other/app" in said.output


def test_a_glob_that_is_none_is_refused(registry):
    said = run(registry[0], "--repository", "[")
    assert said.exit_code == 2
    assert "never closed" in said.output


def test_a_registry_that_is_not_there_is_told(tmp_path):
    assert run(configured(tmp_path)).exit_code == 78
