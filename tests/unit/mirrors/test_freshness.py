"""The life of a tag, told as scenarios, and what holds for every life."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast import digest as digests
from holdfast.config.sync import SyncRegistry
from holdfast.mirrors.freshness import (
    Absent,
    Decision,
    Failed,
    Found,
    Rules,
    Verdict,
    Watched,
    answered,
    ask,
    fetched,
    forgotten,
    not_fetched,
)

SCENARIOS = sorted((Path(__file__).parent / "freshness").glob("*.txt"))
NAMES = {digests.of(letter.encode()): letter for letter in "ABC"}
DIGESTS = {letter: digest for digest, letter in NAMES.items()}


def rules_of(words: list[str]) -> Rules:
    """``interval=60 negative=5 hold=1..8 patience=30``."""
    given = dict(word.split("=") for word in words)
    first, longest = given.get("hold", "1..30").split("..")
    return Rules(
        check_interval_seconds=float(given.get("interval", 0)),
        negative_seconds=float(given.get("negative", 5)),
        first_hold_seconds=float(first),
        longest_hold_seconds=float(longest),
        patience_seconds=float(given.get("patience", 30)),
    )


def told(decision: Decision) -> str:
    words = [decision.verdict.name]
    if decision.verdict is Verdict.CHECK:
        words.append(str(decision.token))
    if decision.digest is not None:
        words.append(NAMES[decision.digest])
    if decision.verdict is Verdict.UNAVAILABLE:
        words += ["after", f"{decision.retry_after_seconds:g}"]
    return " ".join(words)


def happens(tag: Watched, rules: Rules, now: float, words: list[str]) -> tuple[Watched, Decision | None]:
    match words:
        case ["pull"]:
            return ask(tag, rules, now)
        case ["answer", token, letter]:
            return answered(tag, rules, now, int(token), Found(DIGESTS[letter]))
        case ["absent", token]:
            return answered(tag, rules, now, int(token), Absent())
        case ["fails", token, reason, *told_seconds]:
            seconds = float(told_seconds[0]) if told_seconds else None
            return answered(tag, rules, now, int(token), Failed(reason, seconds))
        case ["unfetched", reason]:
            return not_fetched(tag, rules, now, Failed(reason))
        case ["fetched", letter]:
            tag = fetched(tag, DIGESTS[letter])
        case ["forgotten"]:
            tag = forgotten(tag)
        case _:
            raise AssertionError(words)
    return tag, None


LENGTHS = {"pull": 1, "answer": 3, "absent": 2, "fails": 3, "unfetched": 2, "fetched": 2, "forgotten": 1}


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_scenario_goes_as_told(path: Path) -> None:
    reason, *lines = path.read_text(encoding="utf-8").splitlines()
    assert reason.startswith("Why: ")
    tag, rules = Watched(), Rules()
    for line in lines:
        match line.split():
            case ["rules", *words]:
                rules = rules_of(words)
            case ["stored", letter]:
                tag = fetched(tag, DIGESTS[letter])
            case [now, *words]:
                length = LENGTHS[words[0]] + (words[0] == "fails" and words[3].isdigit())
                tag, decision = happens(tag, rules, float(now), words[:length])
                assert (told(decision) if decision else "") == " ".join(words[length:]), line


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) > 9


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[float, str]]:
    """Moments and what happens at them; checks are answered in any order, or never."""
    words = ["pull", "pull", "pull", "found A", "found B", "absent", "fails", "fetched", "unfetched"]
    steps = draw(st.lists(st.tuples(st.floats(0, 40), st.sampled_from(words)), max_size=40))
    now, life = 0.0, []
    for pause, word in steps:
        now += pause
        life.append((now, word))
    return life


RULES = Rules(
    check_interval_seconds=20, negative_seconds=5, first_hold_seconds=1, longest_hold_seconds=30, patience_seconds=30
)


@given(lives())
def test_no_tag_is_checked_more_often_than_its_rules_allow(life: list[tuple[float, str]]) -> None:
    """The judge knows only when checks began and how they ended."""
    tag, running, wanted = Watched(), None, None
    quiet_until, silent_since = float("-inf"), None
    for now, word in life:
        if word == "pull":
            tag, decision = ask(tag, RULES, now)
            if decision.verdict is Verdict.CHECK:
                assert silent_since is None or now - silent_since >= 30
                assert silent_since is not None or now >= quiet_until
                running, silent_since = decision.token, now
            else:
                assert decision.verdict is not Verdict.WAIT or silent_since is not None
            continue
        if word == "fetched":
            tag = fetched(tag, wanted) if wanted else tag
            continue
        if word == "unfetched":
            if wanted:
                tag, _ = not_fetched(tag, RULES, now, Failed("gone"))
                quiet_until, wanted = now + 1, None
            continue
        if silent_since is None or running is None:
            continue
        answer = {"absent": Absent(), "fails": Failed("down")}.get(word) or Found(DIGESTS[word[-1]])
        tag, decision = answered(tag, RULES, now, running, answer)
        wanted = decision.digest if decision.verdict is Verdict.FETCH else None
        least = {"absent": 5, "fails": 1}.get(word, 20)
        quiet_until, silent_since = now + least, None


@given(lives())
def test_what_is_stored_is_served_whatever_the_upstream_says(life: list[tuple[float, str]]) -> None:
    tag, token = fetched(Watched(), DIGESTS["A"]), 0
    for now, word in life:
        if word == "pull":
            tag, decision = ask(tag, RULES, now)
            token = decision.token or token
        elif word in {"absent", "fails"} and token:
            answer = Absent() if word == "absent" else Failed("down")
            tag, decision = answered(tag, RULES, now, token, answer)
        else:
            continue
        assert decision.verdict in {Verdict.CHECK, Verdict.WAIT} or decision.digest == DIGESTS["A"]
        assert (decision.warning is not None) is (decision.verdict is Verdict.STALE)


def test_a_late_answer_changes_nothing() -> None:
    tag, first = ask(Watched(), RULES, 0)
    tag, _ = ask(tag, RULES, 30)
    after, decision = answered(tag, RULES, 31, first.token, Found(DIGESTS["A"]))
    assert after == tag
    assert decision == Decision(Verdict.FETCH, DIGESTS["A"])


def test_a_failed_fetch_does_not_end_the_check_of_somebody_else() -> None:
    tag, _ = ask(fetched(Watched(), DIGESTS["A"]), RULES, 0)
    tag, _ = not_fetched(tag, RULES, 1, Failed("gone"))
    assert ask(tag, RULES, 2)[1].verdict is Verdict.WAIT


def test_a_warning_is_a_header_value_whatever_the_reason() -> None:
    tag = fetched(Watched(), DIGESTS["A"])
    tag, check = ask(tag, RULES, 0)
    _, decision = answered(tag, RULES, 0, check.token, Failed('said "no"\r\nX-Evil: 1 ä'))
    assert decision.warning == '111 holdfast "upstream not asked: said noX-Evil: 1 ?"'


def test_only_a_tag_that_would_be_checked_anyway_may_be_forgotten() -> None:
    tag, check = ask(Watched(), RULES, 0)
    assert not tag.may_be_forgotten(0)
    tag, _ = answered(tag, RULES, 0, check.token, Absent())
    assert not tag.may_be_forgotten(4)
    assert tag.may_be_forgotten(5)


@pytest.mark.parametrize(("text", "seconds"), [("1m", 60), ("0", 0), (None, 0)])
def test_the_interval_is_that_of_the_registry(text: str | None, seconds: float) -> None:
    keys = {"manifestCheckInterval": text} if text else {}
    assert Rules.of(SyncRegistry.model_validate({"urls": ["u"], **keys})).check_interval_seconds == seconds
