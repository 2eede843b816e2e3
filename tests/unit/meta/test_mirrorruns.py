"""Runs of mirrors: begun once, shared by repositories, taken over from the dead alone, and counted once."""

from __future__ import annotations

import pytest

from holdfast.errors import OutcomeUnknownError
from holdfast.meta import keys, versions
from holdfast.meta.fetches import WORKER
from holdfast.meta.mirrorruns import Counts, Failure, MirrorRuns, Part, Refusal
from holdfast.meta.store import Put
from holdfast.names import repository
from tests.fakes.faulty_store import FaultyStore
from tests.unit.meta.world import keys_below, new_ids

ENTRY = "0123456789"
ONE, TWO = repository("team/one"), repository("team/two")
IMAGE = Counts(seen=1, changed=1, size_bytes=10)
# Of all workers: an operation is known by its id.
NEW_ID = new_ids()


class Worker:
    """A process with its lease, and what it sees of runs."""

    def __init__(self, store, name: str) -> None:
        self.store = store
        self.lease_id = store.grant_lease(10.0).lease_id
        versions.announce(store, WORKER, name, "0.1.0", self.lease_id, f"{name}:1")
        self.runs = MirrorRuns(store, NEW_ID, name)

    def begin(self):
        return self.runs.begin(self.runs.look(ENTRY), "pull there", 1000.0)

    def claim(self, name=ONE) -> Part | Refusal:
        return self.runs.claim(self.runs.look(ENTRY).run, name)

    def claimed(self, name=ONE) -> Part:
        part = self.claim(name)
        assert isinstance(part, Part), part
        return part

    def finish(self, name=ONE) -> None:
        assert self.runs.report(self.claimed(name), "v9", Counts(), is_done=True)

    def die(self) -> None:
        self.store.revoke_lease(self.lease_id)


@pytest.fixture
def two(store) -> tuple[Worker, Worker]:
    return Worker(store, "one"), Worker(store, "two")


def test_a_run_that_two_find_due_begins_once(two):
    one, other = two
    seen = one.runs.look(ENTRY), other.runs.look(ENTRY)
    assert one.runs.begin(seen[0], "", 1.0).number == 1
    assert other.runs.begin(seen[1], "", 1.0) is None


def test_a_paused_mirror_begins_no_run(two):
    one, other = two
    seen = one.runs.look(ENTRY)
    other.runs.pause(ENTRY)
    assert one.runs.begin(seen, "", 1.0) is None
    assert one.runs.look(ENTRY).is_paused
    other.runs.resume(ENTRY)
    assert one.begin().number == 1


def test_a_run_answers_the_wishes_that_came_before_it_and_no_later_one(two):
    one, _ = two
    asked = one.runs.ask(ENTRY)
    assert one.begin().answered == asked
    assert one.runs.ask(ENTRY) > asked
    assert one.runs.look(ENTRY).run.answered == asked


def test_workers_share_a_run_by_its_repositories(two):
    one, other = two
    one.begin()
    assert one.claimed(ONE).worker == "one"
    assert other.claim(ONE) is Refusal.HELD
    assert other.claimed(TWO).worker == "two"


def test_what_is_dealt_with_is_nobodys_work_any_more(two):
    one, other = two
    one.begin()
    one.finish()
    assert other.claim() is Refusal.DONE
    assert one.claim() is Refusal.DONE


def test_a_dead_workers_repository_is_gone_on_with_behind_its_cursor(two):
    one, other = two
    one.begin()
    one.runs.report(one.claimed(), "v3", IMAGE)
    one.die()
    assert other.claimed().cursor == "v3"


def test_a_worker_that_was_taken_over_from_writes_nothing_more(two):
    one, other = two
    one.begin()
    former = one.claimed()
    one.die()
    taken = other.claimed()
    assert not one.runs.is_mine(former)
    assert one.runs.report(former, "v8", IMAGE, Failure("late")) is None
    one.runs.leave(former)
    assert other.runs.is_mine(taken)
    run = other.runs.look(ENTRY).run
    assert (run.counts, run.failure) == (Counts(), None)


def test_two_that_see_a_dead_worker_do_not_both_take_over(two, store):
    one, other = two
    third = Worker(store, "three")
    one.begin()
    one.claimed()
    one.die()
    found = {type(worker.claim()) for worker in (other, third)}
    assert found == {Part, Refusal}


def test_a_worker_that_is_seen_again_in_time_keeps_its_repository(two, store):
    one, other = two
    one.begin()
    one.claimed()
    one.die()
    Worker(store, "one")
    assert other.claim() is Refusal.HELD


def test_what_was_left_is_anybodys_at_once(two):
    one, other = two
    one.begin()
    one.runs.leave(one.runs.report(one.claimed(), "v3", IMAGE))
    assert other.claimed().cursor == "v3"


def test_counts_of_all_workers_add_up_beside_each_other(two):
    one, other = two
    one.begin()
    parts = one.claimed(ONE), other.claimed(TWO)
    for _ in range(3):
        parts = one.runs.report(parts[0], "v1", IMAGE), other.runs.report(parts[1], "v1", IMAGE)
    assert one.runs.look(ENTRY).run.counts == Counts(seen=6, changed=6, size_bytes=60)


def test_an_image_is_counted_once_though_the_answer_was_lost(store):
    faulty = FaultyStore(store)
    one = Worker(faulty, "one")
    one.begin()
    part = one.claimed()
    faulty.fail_txn(1, "after")
    assert one.runs.report(part, "v1", IMAGE).cursor == "v1"
    assert one.runs.look(ENTRY).run.counts == IMAGE


def test_an_unknown_outcome_is_told_and_the_cursor_says_what_counts(store):
    faulty = FaultyStore(store)
    one = Worker(faulty, "one")
    one.begin()
    part = one.claimed()
    faulty.fail_txn(1, "after")
    faulty.fail_txn(2, "before")
    with pytest.raises(OutcomeUnknownError):
        one.runs.report(part, "v1", IMAGE)
    assert one.claimed().cursor == "v1"
    assert one.runs.look(ENTRY).run.counts == IMAGE


def test_a_run_does_not_end_while_a_repository_is_at_work(two):
    one, other = two
    run = one.begin()
    one.claimed()
    assert other.runs.end(run, 2000.0) is None
    one.finish()
    assert not other.runs.end(run, 2000.0).is_running


def test_a_repository_that_is_begun_with_while_a_run_ends_keeps_it_from_ending(store):
    faulty = FaultyStore(store)
    one, other = Worker(faulty, "one"), Worker(store, "two")
    run = one.begin()
    faulty.before_txn(lambda: other.claimed(TWO))
    assert one.runs.end(run, 2000.0) is None
    assert other.runs.look(ENTRY).run.is_running


def test_a_run_ends_once_and_takes_its_parts_with_it(two, store):
    one, other = two
    run = one.begin()
    one.finish(ONE)
    other.finish(TWO)
    assert one.runs.end(run, 2000.0).succeeded_seconds == 2000.0
    assert other.runs.end(run, 3000.0) is None
    assert other.runs.claim(run, ONE) is Refusal.OVER
    assert keys_below(store, b"mirror/part/") == []
    assert one.runs.look(ENTRY).run.ended_seconds == 2000.0


def test_a_failure_stays_known_after_the_runs_that_follow_it(two):
    one, _ = two
    run = one.begin()
    one.runs.report(one.claimed(), "v1", Counts(seen=1, failed=1), Failure("no", ONE, "v1", 1500.0), is_done=True)
    ended = one.runs.end(run, 2000.0)
    assert ended.has_failed
    assert ended.succeeded_seconds == 0.0
    again = one.runs.end(one.begin(), 3000.0)
    assert not again.has_failed
    assert (again.failure.tag, again.counts, again.succeeded_seconds) == ("v1", Counts(), 3000.0)


def test_a_run_whose_repositories_cannot_be_listed_has_failed(two):
    one, _ = two
    ended = one.runs.end(one.begin(), 2000.0, Failure("no catalog"))
    assert (ended.has_failed, ended.counts.failed, ended.failure.message) == (True, 1, "no catalog")


def test_what_an_interrupted_end_left_behind_is_nothing_to_the_next_run(two, store):
    one, other = two
    run = one.begin()
    one.runs.report(one.claimed(), "v3", IMAGE, is_done=True)
    left = store.get(keys.mirror_part(ENTRY, ONE)).value
    one.runs.end(run, 2000.0)
    store.txn((), [Put(keys.mirror_part(ENTRY, ONE), left)])
    other.begin()
    assert other.claimed().cursor == ""


def test_a_worker_that_cannot_list_does_not_end_what_another_is_at(two):
    one, other = two
    run = one.begin()
    one.finish()
    assert other.runs.end(run, 2000.0, Failure("no catalog")) is None
    assert not one.runs.end(run, 2000.0).has_failed


def test_a_failure_of_the_whole_run_is_counted_once_however_many_meet_it(two):
    one, other = two
    run = one.begin()
    one.runs.note(run, Failure("no catalog"))
    other.runs.note(run, Failure("no catalog"))
    assert one.runs.look(ENTRY).run.counts.failed == 1
    assert one.runs.end(run, 2000.0).has_failed
