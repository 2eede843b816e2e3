"""A pass of retention over the metadata: what a preview shows is what goes, once; and what a pass that dies leaves behind."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from holdfast.clock import ManualClock
from holdfast.errors import MetadataUnavailableError
from holdfast.manifest import OCI_INDEX, OCI_MANIFEST, Reference
from holdfast.meta import keys
from holdfast.meta.loose import LooseLinks
from holdfast.meta.pulls import PullsSince, PullTimes
from holdfast.meta.repos import NewManifest, Repositories
from holdfast.meta.retiring import Retiring
from holdfast.meta.standing import Standing
from holdfast.meta.store import Delete, Put
from holdfast.names import repository, tag
from holdfast.retention.planner import plan
from storagenode.collecting.assembly import CollectOptions, Disk, Side, collecting
from storagenode.collecting.deletions import Deletions
from storagenode.collecting.loosening import Graces, Loosening
from storagenode.collecting.marks import Marks
from storagenode.collecting.retaining import Retaining, Scope
from storagenode.collecting.steadiness import Now, Steadiness
from tests.fakes.memory_store import MemoryStore
from tests.unit.meta.world import REPO, V1, V2, blob, faults, image, index, keys_below, new_ids, push
from tests.unit.retention import worlds
from tests.unit.retention.shelf import DAY, HOUR, policies

if TYPE_CHECKING:
    from holdfast.meta.store import Store

STRICT = {"repositories": ["**"], "deleteReferrers": True, "keepTags": [{"patterns": ["^keep"]}]}
KEEP = tag("keep")
M = blob("m")


class World:
    """``clock`` is that of the pushes and of the pass; what it shows on the wall may stand still while it goes on."""

    def __init__(self, *configured, delay="1h", dry_run=False, audit=None):
        self.audit = audit
        self.clock = ManualClock()
        self.store: Store = MemoryStore(self.clock)
        self.repos = Repositories(self.store, new_ids(), self.clock)
        self.policies = policies(*configured, delay=delay, dry_run=dry_run)
        self.start()

    def start(self):
        """As a process does that knows nothing of what another one has seen."""
        self.retaining = self.over(self.store)

    def over(self, store):
        retiring = Retiring(store, new_ids())
        deletions = Deletions(self.audit, self.clock)
        return Retaining(
            Standing(store), retiring, PullsSince(store), Scope(self.policies), deletions, Marks(self.clock)
        )

    def after(self, seconds):
        self.clock.advance(seconds)
        return self.retaining.cycle(Now(self.clock.wall()), lambda: True)

    def preview(self, name=REPO):
        facts = Standing(self.store).of(name)
        return plan(facts, self.policies.terms(name), self.clock.wall())

    def tags(self, name=REPO):
        return self.repos.tags(name, "", 100)[0]

    def manifests(self, name=REPO):
        return {keys.last_digest_in(key) for key in keys_below(self.store, f"manifest/{name}//".encode())}


def test_a_tag_goes_at_once_and_its_manifest_when_it_was_seen_so_for_the_delay():
    made = World(STRICT)
    push(made.repos, image("m"), V1)
    push(made.repos, image("n"), KEEP)
    found = made.after(DAY)
    assert (found.tags, found.manifests, found.pending.count, found.pending.first_seconds) == (1, 0, 1, HOUR)
    assert made.tags() == [KEEP]
    assert made.after(HOUR - 1).pending.first_seconds == 1
    found = made.after(1)
    assert (found.manifests, found.pending.count, found.kept) == (1, 0, 0)
    assert made.manifests() == {blob("n")}


def test_a_process_that_was_started_again_waits_once_more():
    made = World(STRICT)
    push(made.repos, image("m"))
    made.after(DAY)
    made.start()
    assert made.after(HOUR).manifests == 0
    assert made.after(HOUR).manifests == 1


def test_what_is_pushed_again_or_tagged_meanwhile_begins_anew():
    made = World(STRICT)
    push(made.repos, image("m"))
    made.after(DAY)
    push(made.repos, image("m"), KEEP)
    assert made.after(DAY).pending.count == 0
    made.repos.delete_tag(REPO, KEEP)
    assert made.after(0).pending.count == 1
    assert made.after(HOUR).manifests == 1


def test_an_index_goes_with_its_children_in_one_pass_and_a_signature_with_its_image():
    made = World(STRICT)
    push(made.repos, image("child"))
    push(made.repos, index("i", blob("child")), V1)
    push(made.repos, image("signature", subject=blob("i")))
    push(made.repos, image("stays"), KEEP)
    made.after(DAY)
    found = made.after(HOUR)
    assert (found.manifests, found.kept) == (3, 0)
    assert made.manifests() == {blob("stays")}
    assert faults(made.store) == []


def test_a_dry_run_says_what_would_go_and_takes_nothing(caplog):
    made = World(STRICT, dry_run=True)
    push(made.repos, image("m"), V1)
    with caplog.at_level(logging.INFO, "holdfast.retention"):
        made.after(DAY)
        made.after(DAY)
    assert made.tags() == [V1]
    assert made.manifests() == {M}
    said = [(record.message, record.repository, getattr(record, "tag", "")) for record in caplog.records]
    assert said[:2] == [("retention would remove", REPO, V1), ("retention would remove", REPO, "")]


def test_one_line_is_written_for_everything_that_goes(caplog):
    made = World(STRICT)
    push(made.repos, image("m"), V1, V2)
    with caplog.at_level(logging.INFO, "holdfast.retention"):
        made.after(DAY)
        made.after(HOUR)
    said = [(record.message, record.rule, getattr(record, "tag", ""), record.digest) for record in caplog.records]
    label = "retention.policies[0]"
    assert said == [
        ("retention removed", f"{label}: matches none of keepTags", V1, str(M)),
        ("retention removed", f"{label}: matches none of keepTags", V2, str(M)),
        ("retention removed", f"{label}: deleteUntagged", "", str(M)),
    ]


def test_what_goes_is_in_the_audit_log_and_what_would_go_is_not(tmp_path):
    for dry_run in (True, False):
        made = World(STRICT, dry_run=dry_run, audit=tmp_path / "audit")
        push(made.repos, image("m"), V1)
        made.after(DAY)
        assert (tmp_path / "audit").exists() is not dry_run
    [line] = (tmp_path / "audit").read_text().splitlines()
    said = json.loads(line)
    assert (said["by"], said["method"], said["path"]) == ("retention", "DELETE", f"/v2/{REPO}/manifests/v1")
    assert (said["about"], said["reason"]) == (str(M), "retention.policies[0]: matches none of keepTags")


def test_an_audit_log_that_cannot_be_written_is_told_and_stops_nothing(tmp_path, caplog):
    made = World(STRICT, audit=tmp_path / "nowhere" / "audit")
    push(made.repos, image("m"), V1)
    assert made.after(DAY).tags == 1
    assert "the audit log cannot be written" in caplog.text


def test_more_tags_than_fit_into_a_transaction_go():
    made = World(STRICT)
    for number in range(150):
        push(made.repos, image("m"), tag(f"t{number}"))
    assert made.after(1).tags == 150
    assert made.tags() == []


def test_a_tag_that_moves_while_the_pass_is_on_keeps_its_new_manifest():
    made = World(STRICT, delay="0s")
    push(made.repos, image("m"), V1)
    made.after(0)
    push(made.repos, image("n"))
    made.after(0)

    class Moving:
        """The tag is set just before anything is taken."""

        moved = False

        def __getattr__(self, name):
            return getattr(made.store, name)

        def txn(self, compares, ops, *rest):
            if not self.moved and any(isinstance(op, Delete) and op.key.startswith(b"manifest/") for op in ops):
                self.moved = True
                push(made.repos, image("n"), V1)
            return made.store.txn(compares, ops, *rest)

    marks = made.retaining
    marks._retiring = Retiring(Moving(), new_ids())
    made.after(1)
    assert made.repos.manifest_by_tag(REPO, V1).digest == blob("n")


def test_tags_of_manifests_that_are_gone_are_cleaned():
    made = World(STRICT)
    push(made.repos, image("m"), KEEP)
    [entry] = [made.store.get(key) for key in keys_below(made.store, b"tag/")]
    made.repos.delete_manifest(REPO, M)
    push(made.repos, image("n"), V1)
    made.store.txn([], [Put(entry.key, entry.value)])
    made.after(1)
    assert keys_below(made.store, b"tag/") == []


def test_pulls_are_counted_from_the_first_pass_on_for_policies_that_ask_and_nothing_goes_before_they_know():
    made = World({**STRICT, "keepTags": [{"pulledWithin": "24h"}]})
    push(made.repos, image("m"), V1)
    push(made.repos, image("n"), V2)
    made.clock.advance(30 * DAY)
    assert made.after(0).tags == 0
    PullTimes(made.store).write({(REPO, M): made.clock.wall() + 2 * HOUR})
    assert made.after(DAY - 1).tags == 0
    assert made.after(1).tags == 1
    assert made.tags() == [V1]


def test_since_when_pulls_are_counted_is_not_noted_while_the_clock_is_in_doubt_or_behind_what_was_pushed(caplog):
    made = World(RECENT)
    push(made.repos, image("m"), V1)
    wall = made.clock.wall()
    for now in (Now(wall, 1.0), Now(wall - DAY)):
        made.retaining.cycle(now, lambda: True)
        assert PullsSince(made.store).of(REPO) is None
    assert "the wall clock is behind what was pushed" in caplog.text
    made.after(0)
    assert PullsSince(made.store).of(REPO) == wall


def test_policies_that_count_alone_need_no_clock_to_begin():
    made = World({**STRICT, "keepTags": [{"mostRecentlyPulledCount": 1}]})
    push(made.repos, image("m"), V1)
    made.retaining.cycle(Now(made.clock.wall(), 1.0), lambda: True)
    assert PullsSince(made.store).of(REPO) == made.clock.wall()


class Skewed(ManualClock):
    """Its wall clock is so far ahead; that of the pushes is right."""

    ahead_seconds = 0.0

    def wall(self):
        return super().wall() + self.ahead_seconds


class Collected(World):
    """As the collector does it: with a look at the clock before each pass."""

    def __init__(self, ahead_seconds=0.0):
        super().__init__(RECENT)
        push(self.repos, image("m"), V1)
        PullsSince(self.store).begin(REPO, 1.0)
        self.clock = self.skewed = Skewed(self.clock.now)
        self.skewed.ahead_seconds = ahead_seconds
        self.start()
        self.steadiness = Steadiness(self.clock)

    def passes(self, hours):
        """Every ten minutes."""
        for _ in range(round(hours * 6)):
            self.clock.advance(600)
            found = self.retaining.cycle(self.steadiness.now(is_noted=True), lambda: True)
        return found


RECENT = {"repositories": ["**"], "keepTags": [{"pushedWithin": "24h", "pulledWithin": "24h"}]}


def test_a_clock_that_is_ahead_at_the_start_and_put_right_within_the_hour_takes_nothing():
    made = Collected(ahead_seconds=30 * DAY)
    made.passes(hours=0.5)
    made.skewed.ahead_seconds = 0.0
    made.passes(hours=22)
    assert made.tags() == [V1]
    made.passes(hours=2)
    assert made.tags() == []


def test_a_clock_that_jumps_ahead_and_is_put_right_within_the_hour_takes_nothing():
    made = Collected()
    made.passes(hours=3)
    made.skewed.ahead_seconds = 30 * DAY
    made.passes(hours=0.5)
    made.skewed.ahead_seconds = 0.0
    made.passes(hours=19)
    assert made.tags() == [V1]


def test_a_machine_that_slept_for_days_goes_on_an_hour_later():
    made = Collected()
    made.passes(hours=3)
    made.skewed.ahead_seconds = 30 * DAY  # which the monotonic clock has not seen
    made.passes(hours=1)
    assert made.tags() == [V1]
    made.passes(hours=0.5)
    assert made.tags() == []


def test_a_clock_that_is_behind_takes_nothing_early_once_it_is_right():
    made = Collected(ahead_seconds=-30 * DAY)
    made.passes(hours=2)
    made.skewed.ahead_seconds = 0.0
    made.passes(hours=21)
    assert made.tags() == [V1]


def test_what_waits_for_the_clock_is_counted_and_foreseen_and_other_rules_need_none():
    made = World(RECENT, delay="0s")
    other = {"repositories": ["other"], "keepTags": [{"patterns": ["^keep"]}]}
    made.policies = policies(other, RECENT)
    made.start()
    push(made.repos, image("m"), V1)
    push(made.repos, image("m"), V1, repo=repository("other"))
    PullsSince(made.store).begin(REPO, 1.0)
    made.clock.advance(30 * DAY)
    now = Now(made.clock.wall(), 60.0)
    foreseen = made.retaining.foresee(now, lambda: True)
    found = made.retaining.cycle(now, lambda: True)
    assert (found.tags, made.tags(), made.tags(repository("other"))) == (1, [V1], [])
    assert (found.pending.count, found.pending.first_seconds) == (3, 60.0)
    assert (foreseen.tags, foreseen.pending) == (found.tags, found.pending)
    assert made.retaining.foresee(Now(now.wall_seconds), lambda: True).tags == 1


def test_policies_that_do_not_ask_for_pulls_leave_no_word_of_them():
    made = World(STRICT)
    push(made.repos, image("m"), V1)
    PullsSince(made.store).begin(REPO, 1.0)
    made.after(1)
    assert keys_below(made.store, b"pulls-since/") == []


def test_a_repository_that_cannot_be_read_does_not_stop_the_others(caplog):
    made = World(STRICT)
    broken, other = repository("a/broken"), repository("z/other")
    push(made.repos, image("m"), V1, repo=broken)
    push(made.repos, image("m"), V1, repo=other)
    made.store.txn([], [Put(keys.tag(broken, V1), b"\xffnonsense")])
    made.after(1)
    assert made.tags(other) == []
    assert "a repository cannot be read" in caplog.text


def test_a_repository_that_no_policy_takes_anything_from_is_not_read():
    made = World({"repositories": ["elsewhere/**"]}, {"repositories": ["**"], "deleteUntagged": False})
    push(made.repos, image("m"), V1)
    assert made.after(DAY).repositories == 0


def test_a_pass_that_is_told_to_stop_does():
    made = World(STRICT)
    push(made.repos, image("m"), V1)
    made.clock.advance(DAY)
    assert made.retaining.cycle(Now(made.clock.wall()), lambda: False).tags == 0


class Dying:
    """Dies at one transaction, and is dead from then on: what was sent may have arrived or not."""

    def __init__(self, store, at, *, arrives):
        self._store, self._left, self._arrives = store, at, arrives

    @property
    def is_alive(self):
        return self._left > 0

    def txn(self, *arguments):
        self._left -= 1
        if self._left == 0 and self._arrives:
            self._store.txn(*arguments)
        if not self.is_alive:
            raise MetadataUnavailableError("the process is dead")
        return self._store.txn(*arguments)

    def __getattr__(self, name):
        if not self.is_alive:
            raise MetadataUnavailableError("the process is dead")
        return getattr(self._store, name)


@pytest.mark.parametrize("arrives", [False, True])
def test_a_pass_that_dies_at_any_transaction_leaves_nothing_broken_and_the_next_one_ends_it(arrives):
    for at in itertools.count(1):
        made = World(STRICT, delay="0s")
        push(made.repos, image("child", blob("layer")))
        push(made.repos, index("i", blob("child")), V1, V2)
        push(made.repos, image("signature", subject=blob("i")))
        push(made.repos, image("stays", blob("layer")), KEEP)
        push(made.repos, image("many", *(blob(f"layer {number}") for number in range(140))))
        made.clock.advance(DAY)
        dying = Dying(made.store, at, arrives=arrives)
        retaining = made.over(dying)
        with contextlib.suppress(MetadataUnavailableError):
            retaining.cycle(Now(made.clock.wall()), lambda: True)
            retaining.cycle(Now(made.clock.wall()), lambda: True)
        assert faults(made.store) == []
        assert made.repos.manifest_by_tag(REPO, KEEP).digest == blob("stays")
        made.start()
        made.after(0)
        made.after(0)
        assert (made.tags(), made.manifests()) == ([KEEP], {blob("stays")})
        assert faults(made.store) == []
        if dying.is_alive:
            break
    assert at > 7  # one for the tags, one for each manifest, two for refs that did not fit


def pushed(made, described):
    """What hypothesis has made up, pushed in the order of ages."""
    oldest = max(one["pushed"] for one in described)
    start = made.clock.now
    order = sorted(range(len(described)), key=lambda number: -described[number]["pushed"])

    def named(number):
        return None if number is None else blob(str(number) if 0 <= number < len(described) else "nowhere")

    for number in order:
        one = described[number]
        made.clock.now = start + oldest - one["pushed"]
        tags = [
            tag(f"sha256-{named(name).encoded}.sig" if isinstance(name, int) else name)
            for name in dict.fromkeys(one["tags"])
        ]
        references = tuple(Reference(named(child), 10, is_manifest=True) for child in one["children"])
        media_type = OCI_INDEX if references else OCI_MANIFEST
        new = NewManifest(blob(str(number)), media_type, 100, references, named(one["subject"]))
        made.repos.put_manifest(REPO, new, tags, made.repos.fence(new.digest), made.repos.removals(REPO))
    now = start + oldest
    made.clock.now = now
    times = {
        (REPO, blob(str(number))): made.clock.wall() - one["pulled"]
        for number, one in enumerate(described)
        if one["pulled"] is not None
    }
    PullTimes(made.store).write(times)


class Stopped(ManualClock):
    """Goes on, while the wall shows one moment."""

    wall_seconds = 0.0

    def wall(self):
        return self.wall_seconds or super().wall()


@settings(max_examples=60, deadline=None)
@given(worlds.manifests(), worlds.policies())
def test_what_a_preview_shows_is_what_goes(described, policy):
    made = World(policy)
    made.clock = Stopped(made.clock.now)
    made.repos = Repositories(made.store, new_ids(), made.clock)
    pushed(made, described)
    made.clock.wall_seconds = made.clock.wall()
    if made.policies.use_pulls(REPO):
        PullsSince(made.store).begin(REPO, 1.0)
    before, tags = made.manifests(), set(made.tags())
    shown = made.preview() if made.policies.terms(REPO) else None
    going = shown.going if shown else ()
    made.start()
    # Tags in the first pass, manifests when they were seen so for the delay.
    made.after(0)
    if not any(verdict.waits and verdict.tag for verdict in going):
        assert set(made.tags()) == tags - {verdict.tag for verdict in going}
    found = made.after(HOUR)
    assert set(made.tags()) == tags - {verdict.tag for verdict in going}
    assert made.manifests() == before - {verdict.digest for verdict in going if verdict.tag is None}
    assert (found.kept, found.pending.count) == (0, 0)
    if shown is not None and made.repos.exists(REPO):
        assert made.preview().going == ()


class Nothing:
    """A node without copies."""

    activity = 0

    def listing(self, _partition):
        return []


class Right:
    """Metadata that nobody doubts."""

    def require_right(self):
        pass

    def leave(self):
        pass


@settings(max_examples=60, deadline=None)
@given(worlds.manifests(), worlds.policies())
def test_what_goes_while_the_clock_is_in_doubt_would_go_without_doubt_too(described, policy):
    made = World(policy)
    pushed(made, described)
    facts, terms = Standing(made.store).of(REPO), made.policies.terms(REPO)
    certain = set(plan(facts, terms, made.clock.wall()).going)
    doubted = plan(facts, terms, made.clock.wall(), is_doubted=True)
    steps = {(one.tag, one.digest) for one in certain}
    assert {(one.tag, one.digest) for one in doubted.going} <= steps
    if not any(terms and keep.uses_time for keep in (terms.policy.rules if terms else ())):
        assert set(doubted.going) == certain


@pytest.mark.parametrize("is_first", [True, False])
def test_one_node_of_a_cluster_looks_after_names_in_the_window_of_the_collector(is_first):
    made = World(STRICT)
    push(made.repos, image("m"), V1)
    hour = datetime.fromtimestamp(made.clock.wall(), UTC).hour
    window = f"{(hour + 1) % 24:02}:00-{(hour + 2) % 24:02}:00"
    options = CollectOptions(interval_seconds=1.0, window=window, policies=made.policies)
    side, nothing = Side(made.store, Right(), lambda _: None, lambda: is_first), Nothing()
    (turn,) = collecting([Disk("", nothing, options)], nothing, side, nothing, made.clock)._loop._turns
    made.clock.advance(2)
    assert not turn.look(lambda: True)
    made.clock.advance(HOUR)
    assert turn.look(lambda: True)
    assert made.tags() == ([] if is_first else [V1])


def test_a_pass_of_retention_cuts_short_no_push_that_takes_longer():
    made = World({"repositories": ["**"], "keepTags": [{"patterns": ["^keep"]}]})
    push(made.repos, image("old"), V1)
    made.after(DAY)
    loosening = Loosening(LooseLinks(made.store, new_ids()), Marks(made.clock))
    layer = blob("the first layer of a push that goes on")
    made.repos.add_link(REPO, layer, 10, made.repos.fence(layer))
    loosening.cycle(Graces(HOUR, DAY), lambda: True)
    made.clock.advance(HOUR)
    assert made.after(0).manifests == 1
    made.clock.advance(600)
    loosening.cycle(Graces(HOUR, DAY), lambda: True)
    assert made.repos.links(REPO, [layer])
