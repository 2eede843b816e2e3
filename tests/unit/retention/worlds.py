"""Any repository and any policies, as hypothesis makes them up: few of everything, so that it meets itself often."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

HOUR, DAY = 3600.0, 86_400.0
AGES = (HOUR / 2, 2 * HOUR, 30 * HOUR, 31 * HOUR, 10 * DAY)
NAMES = ("v1", "v2", "v2.1", "dev", "old-prod", "latest")
PATTERNS = ("^v", "v2.*", "prod", ".*", "none")
WITHIN = ("1h", "24h", "720h")


def rules() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "pulledWithin": st.sampled_from(WITHIN),
            "pushedWithin": st.sampled_from(WITHIN),
            "mostRecentlyPushedCount": st.integers(1, 2),
            "mostRecentlyPulledCount": st.integers(1, 2),
        },
    )


def _entry(patterns: list[str] | None, keep: dict[str, Any]) -> dict[str, Any]:
    return {**({} if patterns is None else {"patterns": patterns}), **keep}


def policies() -> st.SearchStrategy[dict[str, Any]]:
    patterns = st.none() | st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2)
    return st.fixed_dictionaries(
        {"repositories": st.just(["**"]), "deleteReferrers": st.booleans()},
        optional={
            "deleteUntagged": st.booleans(),
            "keepTags": st.lists(st.builds(_entry, patterns, rules()), max_size=3),
            "keepUntagged": rules(),
        },
    )


@st.composite
def manifests(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Each of them by its number: children and a subject among those before it (-1: one that is not there), ages, tags.

    A tag is a name, or the number of what it is attached to.
    """
    made: list[dict[str, Any]] = []
    free = list(NAMES)
    for number in range(draw(st.integers(1, 8))):
        before = st.integers(0, max(0, number - 1))
        tags: list[str | int] = []
        for _ in range(draw(st.integers(0, 2))):
            if free and draw(st.booleans()):
                tags.append(free.pop(draw(st.integers(0, len(free) - 1))))
            elif draw(st.booleans()):
                tags.append(draw(st.integers(-1, 7)))
        made.append(
            {
                "children": draw(st.lists(before, max_size=2, unique=True)) if number and draw(st.booleans()) else [],
                "subject": draw(st.none() | st.just(-1) | before) if number else draw(st.sampled_from([None, -1])),
                "pushed": draw(st.sampled_from(AGES)),
                "pulled": draw(st.none() | st.sampled_from(AGES)),
                "tags": tags,
            }
        )
    return made
