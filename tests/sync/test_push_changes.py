"""What changes here is told soon, once, by the tag that it concerns; and one worker of several attends to it."""

from __future__ import annotations

import os
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from holdfast import names
from holdfast.clock import ManualClock, SystemClock
from holdfast.errors import MetadataUnavailableError, UpstreamUnavailableError
from holdfast.meta import keys
from holdfast.meta.mirrorruns import Failure, MirrorRuns
from holdfast.meta.store import Put
from holdfast.mirrors.entries import Entry
from syncworker.jobs import Copied
from syncworker.pushing.changes import Changes
from syncworker.pushing.following import Follower, chosen, workers
from tests.serving import wait_for
from tests.sync.here import Here
from tests.sync.peers import OCI, described, image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.names import Repository, Tag

ENTRY = Entry("0123456789", 0, "push", "http://target")
APP, TAG = names.repository("team/app"), names.tag("v1")


@pytest.fixture
def here() -> Iterator[Here]:
    with Here() as here:
        yield here


@dataclass
class Told:
    tags: list[tuple[Repository, Tag]] = field(default_factory=list)
    missed: int = 0
    living: list[str] = field(default_factory=lambda: ["one", "other"])

    def tell(self, repository: Repository, tag: Tag) -> None:
        self.tags.append((repository, tag))

    def miss(self) -> None:
        self.missed += 1


@pytest.fixture
def told(here: Here) -> Iterator[Told]:
    told = Told()
    changes = Changes(here.store, here.holdings, SystemClock(), told.tell, told.miss, lambda: told.living)
    changes.start()
    wait_for("the watch to stand", lambda: told.missed)
    yield told
    changes.stop()


def test_a_tag_that_is_set_is_told_of_and_a_blob_is_not(here: Here, told: Told) -> None:
    here.blob(APP, b"nothing yet")
    here.image(APP, TAG, b"layer")
    wait_for("the tag", lambda: told.tags)
    assert told.tags == [(APP, TAG)]


def test_what_belongs_to_an_image_is_told_of_by_the_tags_of_the_image(here: Here, told: Told) -> None:
    digest = here.image(APP, TAG, b"layer")
    here.image(APP, "other", b"other layer")
    wait_for("both tags", lambda: len(told.tags) == 2)
    told.tags.clear()
    here.image(APP, f"sha256-{digest.encoded}.sig", b"signature")
    wait_for("the signed tag", lambda: told.tags)
    assert told.tags == [(APP, TAG)]
    told.tags.clear()
    here.image(APP, "", b"sbom", subject=described(image(b"layer"), OCI))
    wait_for("the described tag", lambda: told.tags)
    assert told.tags == [(APP, TAG)]


def test_what_a_worker_that_has_gone_may_have_left_undone_is_said_to_be_missed(told: Told) -> None:
    told.living.remove("other")
    wait_for("that to be noticed", lambda: told.missed == 2)


def test_a_tag_that_is_deleted_is_not_told_of(here: Here, told: Told) -> None:
    here.image(APP, TAG, b"layer")
    wait_for("the tag", lambda: told.tags)
    here.repos.delete_tag(APP, TAG)
    here.image(APP, "next", b"layer")
    wait_for("the next tag", lambda: len(told.tags) == 2)
    assert told.tags == [(APP, TAG), (APP, "next")]


@dataclass
class Copies:
    """A job that notes what it is to copy, and fails as often as told."""

    failures: int = 0
    asked: list[tuple[Repository, Tag]] = field(default_factory=list)

    def selects(self, repository: Repository, _tag: Tag) -> bool:
        return repository.startswith("team/")

    def copy(self, repository: Repository, tag: Tag, _progress: Any) -> Copied:
        self.asked.append((repository, tag))
        if self.failures:
            self.failures -= 1
            raise UpstreamUnavailableError("it is away")
        return Copied(is_changed=True, size_bytes=1)


@dataclass
class Following:
    follower: Follower
    job: Copies
    runs: MirrorRuns

    @property
    def wishes(self) -> int:
        return self.runs.look(ENTRY.id).asked


@pytest.fixture
def following(here: Here) -> Iterator[Following]:
    runs, job = MirrorRuns(here.store, lambda: b"0123456789abcdef", "local"), Copies()
    follower = Follower(ENTRY, job, runs, SystemClock(), lambda name: "others" not in name, 0.0)  # type: ignore[arg-type]
    follower.start()
    yield Following(follower, job, runs)
    follower.stop()


def offered(following: Following, *repositories: str) -> None:
    """And a last one that is always copied, so that what came before has been dealt with."""
    for name in (*repositories, "team/last"):
        following.follower.offer(names.repository(name), TAG)
    wait_for("the last one", lambda: ("team/last", TAG) in following.job.asked)


def test_what_is_selected_and_ones_own_is_copied_at_once(following: Following) -> None:
    offered(following, "team/app", "elsewhere/app", "team/others")
    assert following.job.asked == [("team/app", TAG), ("team/last", TAG)]
    assert following.wishes == 0


def test_what_cannot_be_copied_at_once_is_left_to_a_run(following: Following) -> None:
    following.job.failures = 1
    offered(following, "team/app")
    assert following.wishes > 0


def test_what_changes_while_the_entry_is_paused_is_left_to_the_run_after_that(following: Following) -> None:
    following.runs.pause(ENTRY.id)
    following.follower.offer(APP, TAG)
    wait_for("a wish", lambda: following.wishes)
    assert following.job.asked == []


def test_a_run_that_failed_is_wished_for_again_and_later_each_time(here: Here) -> None:
    clock, runs = ManualClock(), MirrorRuns(here.store, lambda: os.urandom(16), "local")
    follower = Follower(ENTRY, Copies(), runs, clock, lambda _: True, 0.0)  # type: ignore[arg-type]
    pauses = []
    for _ in range(3):
        run = runs.begin(runs.look(ENTRY.id), ENTRY.title, 0.0)
        assert run is not None
        follower.look_again()
        assert runs.end(run, 1.0, Failure("it is away")) is not None
        asked, began = runs.look(ENTRY.id).asked, clock.monotonic()
        while runs.look(ENTRY.id).asked == asked:
            follower.look_again()
            clock.advance(1.0)
        pauses.append(round(clock.monotonic() - began))
    assert pauses == [31, 61, 121]


def test_a_run_that_went_well_is_not_wished_for_again(here: Here) -> None:
    clock, runs = ManualClock(), MirrorRuns(here.store, lambda: os.urandom(16), "local")
    follower = Follower(ENTRY, Copies(), runs, clock, lambda _: True, 0.0)  # type: ignore[arg-type]
    run = runs.begin(runs.look(ENTRY.id), ENTRY.title, 0.0)
    assert run is not None
    assert runs.end(run, 1.0) is not None
    for _ in range(3):
        follower.look_again()
        clock.advance(1000.0)
    assert runs.look(ENTRY.id).asked == 0


def test_of_several_workers_each_repository_has_one_and_few_change_when_one_goes() -> None:
    repositories = [names.repository(f"team/app{number}") for number in range(300)]
    living = ["a", "b", "c"]
    before = {name: chosen(name, living) for name in repositories}
    assert min(Counter(before.values()).values()) > 50
    after = {name: chosen(name, ["c", "a"]) for name in repositories}
    assert all(after[name] == before[name] for name in repositories if before[name] != "b")
    assert chosen(APP, []) is None


def test_the_workers_that_are_alive_are_those_whose_keys_stand(here: Here) -> None:
    for kind, name in (("worker", "a"), ("worker", "b"), ("gateway", "c")):
        here.store.txn((), [Put(keys.process(kind, name), b"x")])
    assert workers(here.store) == ["a", "b"]


def test_metadata_that_is_away_for_a_moment_costs_no_change(here: Here, told: Told, monkeypatch: Any) -> None:
    failed = threading.Event()
    tagged = here.holdings.tagged

    def away(repository: Repository, tag: Tag) -> Any:
        if not failed.is_set():
            failed.set()
            raise MetadataUnavailableError("it is away")
        return tagged(repository, tag)

    digest = here.image(APP, TAG, b"layer")
    wait_for("the tag", lambda: told.tags)
    monkeypatch.setattr(here.holdings, "tagged", away)
    here.image(APP, f"sha256-{digest.encoded}.sig", b"signature")
    # What it could not tell, it says that it has missed.
    wait_for("the watch to stand again", lambda: told.missed == 2)
    assert failed.is_set()
