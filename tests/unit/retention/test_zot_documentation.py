"""What zot's documentation says of its examples ("Configuring zot Tag Retention Policies"), sentence by sentence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from holdfast import config
from holdfast import digest as digests
from holdfast.names import Repository
from holdfast.retention.policies import Policies
from tests.unit.retention.shelf import DAY, HOUR, Shelf, manifests_gone, policies, tags_gone, tags_left

if TYPE_CHECKING:
    from pathlib import Path

# Its complete example, with the retention of a sub-path.
EXAMPLE = {
    "gc": True,
    "gcDelay": "2h",
    "gcInterval": "1h",
    "retention": {
        "dryRun": False,
        "delay": "24h",
        "policies": [
            {
                "repositories": ["infra/*", "prod/*"],
                "deleteReferrers": False,
                "keepTags": [
                    {"patterns": ["v2.*", ".*-prod"]},
                    {"patterns": ["v3.*", ".*-prod"], "pulledWithin": "168h"},
                ],
            },
            {
                "repositories": ["tmp/**"],
                "deleteReferrers": True,
                "deleteUntagged": True,
                "keepTags": [{"patterns": ["v1.*"], "pulledWithin": "168h", "pushedWithin": "168h"}],
            },
            {
                "repositories": ["**"],
                "deleteReferrers": True,
                "deleteUntagged": True,
                "keepTags": [
                    {
                        "mostRecentlyPushedCount": 10,
                        "mostRecentlyPulledCount": 10,
                        "pulledWithin": "720h",
                        "pushedWithin": "720h",
                    }
                ],
            },
        ],
    },
}
WEEK, MONTH = 168 * HOUR, 720 * HOUR


@pytest.fixture
def example(tmp_path: Path) -> Policies:
    """Read from a file, as whoever comes from zot has it."""
    file = tmp_path / "config.json"
    sub = {"rootDirectory": str(tmp_path / "sub"), "dedupe": True}
    sub |= {"retention": {"policies": [{"repositories": ["a/infra/*", "a/prod/*"], "deleteReferrers": False}]}}
    storage = {**EXAMPLE, "rootDirectory": str(tmp_path / "data"), "subPaths": {"/a": sub}}
    file.write_text(json.dumps({"distSpecVersion": "1.1.0-dev", "storage": storage}))
    return Policies.of(config.load(file).storage)


@pytest.mark.parametrize("name", ["infra/app", "prod/app"])
def test_infra_and_prod_keep_v2_and_prod_and_v3_that_was_pulled_within_a_week(example, name):
    shelf = Shelf(name)
    shelf.tag("v2.1")
    shelf.tag("app-prod")
    shelf.tag("v3.1", pulled=WEEK - HOUR)
    shelf.tag("v3.2", pulled=WEEK + HOUR)
    shelf.tag("v1.0", pulled=HOUR)
    made = shelf.plan(example)
    assert tags_left(made) == {"v2.1", "app-prod", "v3.1"}
    assert tags_gone(made) == {"v3.2", "v1.0"}


def test_in_infra_untagged_images_of_more_than_a_day_go_and_what_refers_to_missing_images_stays(example):
    shelf = Shelf("infra/app")
    old = shelf.manifest("old", pushed=25 * HOUR)
    shelf.manifest("young", pushed=23 * HOUR)
    shelf.manifest("dangling", subject=digests.of(b"nowhere"))
    assert manifests_gone(shelf.plan(example)) == {old}


def test_below_tmp_v1_stays_if_pushed_or_pulled_within_a_week_and_all_other_tags_go(example):
    shelf = Shelf("tmp/deep/er/app")
    shelf.tag("v1.pulled", pulled=WEEK - HOUR)
    shelf.tag("v1.pushed", pushed=WEEK - HOUR)
    shelf.tag("v1.neither", pushed=WEEK + HOUR, pulled=WEEK + HOUR)
    shelf.tag("v2.new", pushed=1.0, pulled=1.0)
    made = shelf.plan(example)
    assert tags_left(made) == {"v1.pulled", "v1.pushed"}


def test_below_tmp_untagged_images_and_what_refers_to_missing_images_go_after_a_day(example):
    shelf = Shelf("tmp/app")
    gone = shelf.manifest("subject", pushed=25 * HOUR)
    dangling = shelf.manifest("dangling", subject=gone, pushed=25 * HOUR)
    shelf.manifest("young", subject=gone, pushed=23 * HOUR)
    assert manifests_gone(shelf.plan(example)) == {gone, dangling}


def test_everywhere_else_tags_stay_by_age_or_among_the_ten_latest(example):
    shelf = Shelf("anything/at/all")
    for number in range(1, 41):
        # Pushed 100, 101, ... days ago; the older a tag is, the later it was pulled.
        shelf.tag(f"t{number:02}", pushed=(100 + number) * DAY, pulled=(200 - number) * DAY)
    shelf.tag("pushed", pushed=MONTH - HOUR)
    shelf.tag("pulled", pulled=MONTH - HOUR, pushed=900 * DAY)
    made = shelf.plan(example)
    pushed_last = {f"t{number:02}" for number in range(1, 10)} | {"pushed"}
    pulled_last = {f"t{number:02}" for number in range(32, 41)} | {"pulled"}
    assert tags_left(made) == pushed_last | pulled_last


def test_a_sub_path_has_a_retention_of_its_own_with_its_own_default_delay(example):
    shelf = Shelf("a/infra/app")
    shelf.tag("anything", pushed=HOUR, pulled=HOUR)
    old = shelf.manifest("old", pushed=HOUR + 1)
    shelf.manifest("young", pushed=HOUR - 1)
    shelf.manifest("refers", subject=old)
    made = shelf.plan(example)
    assert tags_gone(made) == set()
    assert manifests_gone(made) == {old}


def test_a_repository_of_a_sub_path_that_its_policies_do_not_name_keeps_everything(example):
    shelf = Shelf("a/other/app")
    shelf.tag("anything")
    shelf.manifest("untagged")
    assert shelf.plan(example).going == ()


SIMPLE = (
    {
        "repositories": ["infra/*", "tmp/**"],
        "deleteReferrers": False,
        "deleteUntagged": True,
        "keepTags": [
            {
                "patterns": ["v2.*", ".*-prod"],
                "mostRecentlyPushedCount": 10,
                "mostRecentlyPulledCount": 10,
                "pulledWithin": "720h",
                "pushedWithin": "720h",
            }
        ],
    },
    {"keepTags": [{"patterns": [".*"]}]},
)


def test_rules_beside_a_pattern_are_for_the_tags_that_it_matches_only():
    shelf = Shelf("tmp/app")
    shelf.tag("v2.1")
    shelf.tag("v1.1", pushed=HOUR, pulled=HOUR)
    assert tags_left(shelf.plan(policies(*SIMPLE))) == {"v2.1"}


def test_the_last_policy_without_repositories_is_the_default_and_keeps_all_tags():
    shelf = Shelf("elsewhere")
    shelf.tag("v1.1")
    assert tags_left(shelf.plan(policies(*SIMPLE))) == {"v1.1"}


def test_without_any_policy_everything_stays_unlike_in_zot():
    shelf = Shelf()
    shelf.manifest("lone", pushed=0)
    shelf.tag("v1")
    assert shelf.plan(policies()).going == ()


def test_of_what_has_no_tag_stays_what_something_references_and_what_refers_to_something():
    shelf = Shelf()
    child, lone = shelf.manifest("child"), shelf.manifest("lone")
    shelf.tag("v1", shelf.manifest("index", child))
    shelf.manifest("artifact", subject=shelf.tag("signed"))
    made = shelf.plan(policies({"repositories": ["**"]}))
    assert tags_left(made) == {"v1", "signed"}
    assert manifests_gone(made) == {lone}


def test_a_repository_applies_the_first_policy_that_it_matches():
    first = {"repositories": ["infra/*"], "keepTags": [{"patterns": ["one"]}]}
    second = {"repositories": ["**"], "keepTags": [{"patterns": ["two"]}]}
    shelf = Shelf("infra/app")
    shelf.tag("one")
    shelf.tag("two")
    assert tags_left(shelf.plan(policies(first, second))) == {"one"}
    assert tags_left(shelf.plan(policies(second, first))) == {"two"}


def test_a_repository_that_matches_no_policy_is_retained_with_all_its_tags():
    shelf = Shelf("elsewhere")
    shelf.tag("v1")
    shelf.manifest("untagged")
    assert shelf.plan(policies({"repositories": ["infra/*"], "keepTags": [{"patterns": ["none"]}]})).going == ()


@pytest.mark.parametrize("keep_tags", [{}, {"keepTags": []}])
def test_keep_tags_that_is_absent_or_empty_retains_all_tags(keep_tags):
    shelf = Shelf()
    shelf.tag("v1")
    assert tags_left(shelf.plan(policies({"repositories": ["**"], **keep_tags}))) == {"v1"}


def test_a_pattern_without_other_rules_retains_every_tag_that_matches():
    shelf = Shelf()
    shelf.tag("v1.0")
    shelf.tag("w1.0")
    assert tags_left(shelf.plan(policies({"repositories": ["**"], "keepTags": [{"patterns": ["^v"]}]}))) == {"v1.0"}


def test_between_entries_of_keep_tags_there_is_a_logical_or():
    entries = [{"patterns": [".*"], "pushedWithin": "1h"}, {"patterns": [".*-prod"]}]
    shelf = Shelf()
    shelf.tag("old-prod")
    shelf.tag("old")
    assert tags_left(shelf.plan(policies({"repositories": ["**"], "keepTags": entries}))) == {"old-prod"}


def test_counts_are_made_in_each_repository_for_itself():
    made = policies({"repositories": ["**"], "keepTags": [{"mostRecentlyPushedCount": 1}]})
    for name in ("infra/one", "infra/two"):
        shelf = Shelf(name)
        shelf.tag("new", pushed=HOUR)
        shelf.tag("old", pushed=DAY)
        assert tags_left(shelf.plan(made)) == {"new"}


def test_one_asterisk_is_one_level_and_two_are_all():
    made = policies({"repositories": ["one/*", "all/**"], "keepTags": [{"patterns": ["none"]}]})
    takes = {name: made.terms(Repository(name)) is not None for name in ("one/a", "one/a/b", "all/a", "all/a/b")}
    assert takes == {"one/a": True, "one/a/b": False, "all/a": True, "all/a/b": True}


def test_with_delete_untagged_off_nothing_untagged_goes():
    shelf = Shelf()
    shelf.manifest("untagged")
    shelf.tag("v1")
    made = policies({"repositories": ["**"], "deleteUntagged": False, "keepTags": [{"patterns": ["none"]}]})
    assert (tags_gone(shelf.plan(made)), manifests_gone(shelf.plan(made))) == ({"v1"}, set())


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ({"pulledWithin": "168h"}, {"pulled", "pushed"}),
        ({"pushedWithin": "168h"}, {"pushed"}),
        ({"mostRecentlyPushedCount": 1}, {"pushed"}),
        ({"mostRecentlyPulledCount": 1}, {"pulled"}),
        ({"pushedWithin": "168h", "mostRecentlyPulledCount": 2}, {"pulled", "pushed", "pulled before"}),
        ({}, {"pulled", "pushed", "pulled before", "neither"}),
    ],
)
def test_keep_untagged_has_the_same_rules_for_what_has_no_tag(rules, left):
    shelf = Shelf()
    made = {
        "pulled": shelf.manifest("pulled", pulled=DAY, pushed=60 * DAY),
        "pushed": shelf.manifest("pushed", pushed=DAY),
        "pulled before": shelf.manifest("pulled before", pulled=30 * DAY, pushed=70 * DAY),
        "neither": shelf.manifest("neither", pushed=80 * DAY),
    }
    gone = manifests_gone(shelf.plan(policies({"repositories": ["**"], "keepUntagged": rules})))
    assert {name for name, digest in made.items() if digest not in gone} == left


def test_the_delay_is_that_of_garbage_collection_unless_something_else_is_said():
    shelf = Shelf()
    shelf.manifest("untagged", pushed=90 * 60)
    assert shelf.plan(policies({"repositories": ["**"]}, delay="2h")).going == ()
    assert len(shelf.plan(policies({"repositories": ["**"]}, delay="1h")).going) == 1
    assert Policies.of(config.defaults().storage).shelves[""].delay_seconds == HOUR
