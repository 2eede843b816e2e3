"""What follows from what: children, referrers, attached tags, order; and where zot surprises."""

from __future__ import annotations

import pytest

from gateway import pulls
from holdfast import digest as digests
from holdfast.retention.keeping import PULL_LAG_SECONDS
from holdfast.retention.planner import plan
from tests.unit.retention.shelf import DAY, HOUR, NOW, Shelf, manifests_gone, policies, tags_gone, tags_left

STRICT = {"repositories": ["**"], "deleteReferrers": True, "keepTags": [{"patterns": ["^keep"]}]}


def attached(digest, suffix=".sig"):
    return f"{digest.algorithm}-{digest.encoded}{suffix}"


def test_an_index_that_stays_keeps_its_children_and_what_refers_to_them():
    shelf = Shelf()
    child = shelf.manifest("child")
    shelf.manifest("signature of the child", subject=child)
    shelf.tag("keep", shelf.manifest("outer", shelf.manifest("inner", child)))
    assert shelf.plan(policies(STRICT)).going == ()


def test_an_index_that_goes_takes_its_children_and_their_signatures_but_not_what_is_shared():
    shelf = Shelf()
    shared, own = shelf.manifest("shared"), shelf.manifest("own")
    signature = shelf.manifest("signature", subject=own)
    shelf.tag("keep", shelf.manifest("stays", shared))
    goes = shelf.tag("old", shelf.manifest("goes", shared, own))
    made = shelf.plan(policies(STRICT))
    assert tags_gone(made) == {"old"}
    assert manifests_gone(made) == {goes, own, signature}


def test_each_step_comes_after_those_that_it_depends_on():
    shelf = Shelf()
    child = shelf.manifest("child")
    index = shelf.tag("a", shelf.manifest("index", child))
    shelf.tag("b", index)
    signature = shelf.manifest("signature", subject=child)
    shelf.tag(attached(child), shelf.manifest("cosign"))
    going = [verdict.tag or verdict.digest for verdict in shelf.plan(policies(STRICT)).going]
    place = {step: number for number, step in enumerate(going)}
    assert max(place["a"], place["b"]) < place[index] < place[child] < place[signature]
    assert place[child] < place[attached(child)] < place[digests.of(b"cosign")]


def test_a_manifest_that_one_of_its_tags_keeps_stays():
    shelf = Shelf()
    image = shelf.tag("old")
    shelf.tag("keep", image)
    made = shelf.plan(policies(STRICT))
    assert tags_gone(made) == {"old"}
    assert manifests_gone(made) == set()


def test_a_subject_is_not_kept_by_its_signature_and_takes_it_along():
    shelf = Shelf()
    image = shelf.manifest("image")
    signature = shelf.manifest("signature", subject=image)
    assert manifests_gone(shelf.plan(policies(STRICT))) == {image, signature}
    assert manifests_gone(shelf.plan(policies({"repositories": ["**"]}))) == {image}


def test_signatures_of_signatures_go_one_after_the_other():
    shelf = Shelf()
    chain = [shelf.manifest("image")]
    for number in range(2000):
        chain.append(shelf.manifest(f"s{number}", subject=chain[-1]))
    going = [verdict.digest for verdict in shelf.plan(policies(STRICT)).going]
    assert going == chain


def test_a_referrer_without_a_subject_stays_while_it_is_young_with_what_refers_to_it():
    shelf = Shelf()
    young = shelf.manifest("young", subject=digests.of(b"nowhere"), pushed=HOUR / 2)
    shelf.manifest("old", subject=young)
    assert shelf.plan(policies(STRICT)).going == ()


def test_a_tag_that_stays_keeps_what_refers_to_a_missing_subject():
    shelf = Shelf()
    shelf.tag("keep-sbom", shelf.manifest("sbom", subject=digests.of(b"nowhere")))
    assert shelf.plan(policies(STRICT)).going == ()


@pytest.mark.parametrize("suffix", [".sig", ".att", ".sbom"])
def test_what_cosign_tags_stays_with_its_image_though_no_pattern_matches_it(suffix):
    shelf = Shelf()
    image = shelf.tag("keep")
    shelf.tag(attached(image, suffix))
    assert shelf.plan(policies(STRICT)).going == ()


def test_what_cosign_tags_goes_with_its_image_though_a_pattern_matches_it():
    shelf = Shelf()
    signature = shelf.tag(attached(digests.of(b"nowhere")))
    made = shelf.plan(policies({**STRICT, "keepTags": [{"patterns": [".*"]}]}))
    assert manifests_gone(made) == {signature}
    assert len(tags_gone(made)) == 1


def test_what_cosign_tags_stays_for_good_without_delete_referrers_and_for_the_delay_with_it():
    shelf = Shelf()
    shelf.tag(attached(digests.of(b"nowhere")), pushed=HOUR / 2)
    assert shelf.plan(policies(STRICT)).going == ()
    assert len(shelf.plan(policies(STRICT, delay="20m")).going) == 2
    assert shelf.plan(policies({**STRICT, "deleteReferrers": False}, delay="20m")).going == ()


def test_the_list_of_referrers_under_the_digests_tag_stays_with_its_subject():
    shelf = Shelf()
    image = shelf.tag("keep")
    shelf.tag(attached(image, ""), shelf.manifest("list", shelf.manifest("signature")))
    assert shelf.plan(policies(STRICT)).going == ()


def test_an_image_that_is_tagged_by_its_own_digest_is_judged_like_any_other():
    shelf = Shelf()
    image = shelf.manifest("image")
    shelf.tag(attached(image, ""), image)
    assert manifests_gone(shelf.plan(policies(STRICT))) == {image}


def test_a_tag_that_only_looks_attached_is_judged_like_any_other():
    shelf = Shelf()
    shelf.tag("sha256-abc.sig")
    assert tags_gone(shelf.plan(policies(STRICT))) == {"sha256-abc.sig"}


def test_tags_attached_to_each_other_stay_with_all_that_would_have_to_wait_for_them():
    shelf = Shelf()
    one, two, lone = shelf.manifest("one"), shelf.manifest("two"), shelf.manifest("lone")
    shelf.tag(attached(one), two)
    shelf.tag(attached(two), one)
    shelf.manifest("signature", subject=one)
    made = shelf.plan(policies(STRICT))
    assert manifests_gone(made) == {lone}
    assert tags_gone(made) == set()


def test_a_tag_attached_to_its_own_image_is_judged_like_any_other():
    shelf = Shelf()
    image = shelf.manifest("image")
    shelf.tag(attached(image), image)
    assert manifests_gone(shelf.plan(policies(STRICT))) == {image}


def test_patterns_are_searched_not_matched():
    shelf = Shelf()
    shelf.tag("dev2.1")
    assert tags_left(shelf.plan(policies({**STRICT, "keepTags": [{"patterns": ["v2.*"]}]}))) == {"dev2.1"}


def test_counts_are_made_among_all_that_an_entry_matches_and_among_those_that_no_earlier_one_does():
    entries = [{"patterns": ["^v2"]}, {"mostRecentlyPushedCount": 1}]
    shelf = Shelf()
    shelf.tag("v2.0", pushed=HOUR)
    shelf.tag("other", pushed=2 * HOUR)
    shelf.tag("older", pushed=3 * HOUR)
    assert tags_left(shelf.plan(policies({**STRICT, "keepTags": entries}))) == {"v2.0", "other"}
    entries = [{"patterns": ["^v2"], "pushedWithin": "1m"}, {"mostRecentlyPushedCount": 1}]
    assert tags_left(shelf.plan(policies({**STRICT, "keepTags": entries}))) == {"v2.0", "other"}


def test_of_equal_ones_the_first_by_name_are_kept():
    shelf = Shelf()
    for name in ("b", "c", "a"):
        shelf.tag(name, pushed=HOUR)
    made = policies({**STRICT, "keepTags": [{"mostRecentlyPushedCount": 2}]})
    assert tags_left(shelf.plan(made)) == {"a", "b"}


def test_among_those_never_pulled_the_last_pushed_count_as_the_last_pulled():
    shelf = Shelf()
    shelf.tag("pulled", pulled=100 * DAY, pushed=200 * DAY)
    shelf.tag("z-new", pushed=HOUR)
    shelf.tag("a-old", pushed=DAY)
    made = policies({**STRICT, "keepTags": [{"mostRecentlyPulledCount": 2}]})
    assert tags_left(shelf.plan(made)) == {"pulled", "z-new"}


@pytest.mark.parametrize("counted", [None, DAY])
def test_what_is_older_than_the_counting_stays_until_so_many_were_pulled(counted):
    shelf = Shelf(counted=counted)
    shelf.tag("prod", pushed=100 * DAY)
    shelf.tag("test", pushed=2 * DAY)
    made = policies({**STRICT, "keepTags": [{"mostRecentlyPulledCount": 1}]})
    assert tags_left(shelf.plan(made)) == {"prod", "test"}
    shelf.tag("pulled", pulled=HOUR)
    assert tags_left(shelf.plan(made)) == {"pulled"}


def test_a_pull_counts_for_as_long_as_it_may_have_waited_to_be_written_down():
    assert pulls.REFRESH_SECONDS + pulls._FLUSH_SECONDS <= PULL_LAG_SECONDS
    made = policies({**STRICT, "keepTags": [{"pulledWithin": "1h"}]})
    shelf = Shelf()
    shelf.tag("just", pulled=HOUR + PULL_LAG_SECONDS - 1)
    shelf.tag("before", pulled=HOUR + PULL_LAG_SECONDS + 1)
    assert tags_left(shelf.plan(made)) == {"just"}


@pytest.mark.parametrize("counted", [None, DAY])
def test_nothing_goes_for_not_being_pulled_while_pulls_were_not_counted_for_so_long(counted):
    shelf = Shelf(counted=counted)
    shelf.tag("v1")
    made = policies({**STRICT, "keepTags": [{"pulledWithin": "48h"}]})
    assert tags_left(shelf.plan(made)) == {"v1"}
    assert "not known yet" in shelf.plan(made).verdicts[0].rule


def test_every_verdict_names_the_rule_by_its_path():
    shelf = Shelf()
    shelf.tag("keep")
    shelf.tag("old", pushed=DAY)
    shelf.manifest("untagged")
    rules = {str(verdict.tag): verdict.rule for verdict in shelf.plan(policies(STRICT)).verdicts}
    assert rules == {
        "keep": "retention.policies[0].keepTags[0]: patterns",
        "old": "retention.policies[0]: matches none of keepTags",
        "None": "retention.policies[0]: deleteUntagged",
    }


def test_a_size_is_that_of_everything_below_counted_once():
    shelf = Shelf()
    shared = shelf.manifest("shared")
    outer = shelf.manifest("outer", shelf.manifest("inner", shared), shared)
    assert shelf.facts.size_of(outer) == 300


def test_a_plan_rests_after_every_few_things_whatever_a_policy_asks():
    shelf, rests = Shelf(), []
    for number in range(1000):
        shelf.tag(f"v{number}")
    rules = {"pulledWithin": "24h", "mostRecentlyPushedCount": 10}
    terms = policies({**STRICT, "keepTags": [{"patterns": ["^v1"], **rules}]}).terms(shelf.name)
    made = plan(shelf.facts, terms, NOW, lambda: rests.append(None))
    assert len(made.going) > 1000
    assert len(rests) > 8 * 1000 / 32
    assert made == shelf.plan(policies({**STRICT, "keepTags": [{"patterns": ["^v1"], **rules}]}))
