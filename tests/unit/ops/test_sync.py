"""``holdfast sync ls|run|pause|resume`` against records that the test writes as a worker would."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from holdfast.cli import app
from holdfast.clock import SystemClock
from holdfast.meta import keys, versions
from holdfast.meta.fetches import WORKER
from holdfast.meta.mirrorruns import Counts, Failure, MirrorRuns, Refusal, Run
from holdfast.meta.sqlite import SqliteStore
from holdfast.meta.store import Delete
from holdfast.names import Repository
from holdfast.ops.sync.mirrors import shown
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

APP = Repository("team/app")
REGISTRIES = [
    {
        "urls": ["https://one.example/team", "https://mirror.example"],
        "pollInterval": "1h",
        "content": [{"prefix": "**", "destination": "/one", "tags": {"regex": "^v"}}],
    },
    {"urls": ["https://two.example"], "onDemand": True},
    {"urls": ["https://two.example"], "pollInterval": "2h", "content": [{"prefix": "team/app"}]},
]


@dataclass
class Place:
    """A registry of one machine that does not run, but for a worker that the test plays."""

    config: Path
    store: SqliteStore
    runner: CliRunner = field(default_factory=CliRunner)

    def __post_init__(self) -> None:
        self.worker = MirrorRuns(self.store, lambda: os.urandom(16), "w")

    def says(self, *words: str) -> Result:
        return self.runner.invoke(app, ["sync", *words, "--config", str(self.config)])

    def listed(self) -> list[dict[str, Any]]:
        return json.loads(self.says("ls", "--json").stdout)

    def entry(self, number: int) -> str:
        return self.listed()[number]["entry"]

    def live(self) -> None:
        """From now on a worker holds a lease. It has no address, so nobody asks it what it is at."""
        lease = self.store.grant_lease(60)
        assert versions.announce(self.store, WORKER, "w", "0.1.0", lease.lease_id)

    def die(self) -> None:
        self.store.txn([], [Delete(keys.process(WORKER, "w"))])

    def begun(self, entry: str) -> Run:
        """The run that somebody asks for, once he has."""
        wait_for("the wish", lambda: self.worker.look(entry).asked > self.worker.look(entry).run.answered)
        run = self.worker.begin(self.worker.look(entry), "a mirror", SystemClock().wall())
        assert run is not None
        return run

    def ended(self, run: Run, counts: Counts, failure: Failure | None = None) -> None:
        part = self.worker.claim(run, APP)
        assert not isinstance(part, Refusal)
        assert self.worker.report(part, "v1", counts, failure, is_done=True)
        assert self.worker.end(run, SystemClock().wall())

    def ran(self, entry: str, counts: Counts, failure: Failure | None = None) -> None:
        self.worker.ask(entry)
        self.ended(self.begun(entry), counts, failure)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    config, data = tmp_path / "config.json", tmp_path / "data"
    (data / "meta").mkdir(parents=True)
    settings = {"storage": {"rootDirectory": str(data)}, "extensions": {"sync": {"registries": REGISTRIES}}}
    config.write_text(json.dumps(settings))
    store = SqliteStore(data / "meta" / "holdfast.db", SystemClock())
    store.get(b"nothing")  # which makes the file
    yield Place(config, store)
    store.close()


def meanwhile(work: Callable[[], Result]) -> tuple[threading.Thread, list[Result]]:
    said: list[Result] = []
    thread = threading.Thread(target=lambda: said.append(work()))
    thread.start()
    return thread, said


def test_mirrors_are_listed_with_what_they_copy_and_when(place):
    page = place.says("ls").stdout
    assert "https://one.example/team, https://mirror.example" in page
    assert "** to /one tags ^v" in page
    assert "anything, by its own name" in page
    assert "when clients ask" in page
    one, two, three = place.listed()
    assert (one["pollInterval"], one["onDemand"], one["paused"], one["run"]) == ("1h0m0s", False, False, None)
    assert two["onDemand"]
    assert len({one["entry"], two["entry"], three["entry"]}) == 3


def test_the_next_run_is_an_interval_after_the_last(place):
    entry = place.entry(0)
    assert place.listed()[0]["nextRun"] is None
    place.ran(entry, Counts(seen=2, changed=1, size_bytes=5))
    one = place.listed()[0]
    assert one["run"]["images"] == {"seen": 2, "changed": 1, "skipped": 0, "failed": 0}
    assert one["run"]["lastSuccess"] == one["run"]["ended"]
    assert one["nextRun"] > one["run"]["ended"]
    page = place.says("ls").stdout
    assert "in 59m" in page or "in 1h" in page


def test_a_pause_and_its_end_are_heard_by_workers_and_told_by_ls(place):
    entry = place.entry(0)
    for _ in range(2):
        said = place.says("pause", entry)
        assert said.exit_code == 0
        assert "what clients ask for is fetched all the same" in said.stdout
    assert place.worker.look(entry).is_paused
    assert place.listed()[0]["paused"]
    assert json.loads(place.says("resume", "one.example", "--json").stdout) == {"entry": entry, "paused": False}
    assert not place.worker.look(entry).is_paused


def test_a_run_is_asked_for_and_followed_to_its_end(place):
    place.live()
    entry = place.entry(0)
    place.ran(entry, Counts(seen=1))
    thread, said = meanwhile(lambda: place.says("run", "https://one.example/team"))
    run = place.begun(entry)
    assert run.number == 2
    assert thread.is_alive()
    place.ended(run, Counts(seen=3, changed=2, skipped=1, size_bytes=2048))
    thread.join(60)
    assert said[0].exit_code == 0
    assert "has run: 3 images, 2 changed, 1 left out; 2.00 KiB came over" in said[0].stdout


def test_a_run_in_which_something_failed_ends_with_the_reason_and_status_says_so_too(place):
    place.live()
    entry = place.entry(2)
    thread, said = meanwhile(lambda: place.says("run", entry[:6], "--json"))
    failure = Failure("two.example was silent for too long", "team/app", "v1", SystemClock().wall())
    place.ended(place.begun(entry), Counts(seen=1, failed=1), failure)
    thread.join(60)
    assert said[0].exit_code == 1
    ended = json.loads(said[0].stdout)
    assert (ended["failed"], ended["lastSuccess"]) == (True, None)
    assert ended["lastFailure"]["tag"] == "v1"
    assert "team/app:v1: two.example was silent for too long" in said[0].stderr
    page = place.says("status")
    assert page.exit_code == 1
    assert f"problem: {entry} (pull https://two.example): team/app:v1: two.example was silent" in page.stdout


def test_nobody_is_waited_for_when_the_time_is_out(place):
    place.live()
    said = place.says("run", place.entry(0), "--timeout", "0.1")
    assert said.exit_code == 1
    assert "has not ended in time" in said.stderr
    assert "waiting for a worker to begin" in said.stderr


def test_a_run_that_is_paused_is_not_waited_for(place):
    place.live()
    entry = place.entry(0)
    thread, said = meanwhile(lambda: place.says("run", entry))
    place.begun(entry)
    assert place.says("pause", entry).exit_code == 0
    thread.join(60)
    assert said[0].exit_code == 1
    assert f"`holdfast sync resume {entry}` lets it go on" in said[0].stderr
    refused = place.says("run", entry)
    assert refused.exit_code == 1
    assert "is paused" in refused.stderr


def test_a_run_under_way_is_told_with_who_is_at_what(place):
    place.live()
    entry = place.entry(0)
    place.worker.ask(entry)
    run = place.begun(entry)
    part = place.worker.claim(run, APP)
    assert place.worker.report(part, "v3", Counts(seen=3, changed=1))
    (told, *_) = json.loads(place.says("status", "--json").stdout)["mirrors"]
    assert told["run"]["running"]
    assert told["run"]["repositories"] == [{"repository": APP, "worker": "w", "lastTag": "v3", "done": False}]
    assert "running: team/app by w" in " ".join(place.says("status").stdout.split())


def test_a_registry_that_does_not_run_has_no_worker(place):
    said = place.says("status")
    assert said.exit_code == 1
    assert "no sync worker is alive" in said.stdout
    assert json.loads(place.says("status", "--json").stdout)["workers"] == []


def test_metadata_that_cannot_be_read_is_what_status_tells(place):
    place.store.close()
    (place.config.parent / "data" / "meta" / "holdfast.db").write_bytes(b"no database" * 100)
    said = place.says("status", "--json")
    assert said.exit_code == 1
    assert json.loads(said.stdout)["trouble"]
    refused = place.says("ls")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("holdfast: ")


def test_without_a_worker_a_run_is_refused_unless_nobody_waits(place):
    entry = place.entry(0)
    refused = place.says("run", entry)
    assert refused.exit_code == 1
    assert "no sync worker is alive" in refused.stderr
    assert place.worker.look(entry).asked == 0
    asked = place.says("run", entry, "--no-wait", "--json")
    assert asked.exit_code == 0
    assert json.loads(asked.stdout) == {"entry": entry, "asked": True}
    assert place.listed()[0]["asked"]


@pytest.mark.parametrize("command", ["run", "pause"])
def test_what_cannot_run_is_refused(place, command):
    place.live()
    said = place.says(command, place.entry(1))
    assert said.exit_code == 1
    assert "has no content" in said.stderr


@pytest.mark.parametrize("command", ["run", "pause", "resume"])
def test_a_name_that_is_nobodys_or_that_of_several_is_refused(place, command):
    unknown = place.says(command, "three.example")
    assert unknown.exit_code == 1
    assert "no mirror is called three.example; `holdfast sync ls` lists them" in unknown.stderr
    several = place.says(command, "two.example")
    assert several.exit_code == 1
    assert place.entry(1) in several.stderr
    assert place.entry(2) in several.stderr


@pytest.mark.parametrize(
    ("configured", "text"),
    [
        ("https://alice:s3cret@registry.example/team", "https://registry.example/team"),
        ("alice@registry.example", "registry.example"),
        ("https://registry.example/team@8", "https://registry.example/team@8"),
        (" docker.io ", "docker.io"),
    ],
)
def test_a_url_is_shown_without_a_login(configured, text):
    assert shown(configured) == text
