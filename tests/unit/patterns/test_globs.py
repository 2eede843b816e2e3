"""Globs match as doublestar's do; a naive matcher of our own is the judge."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.patterns.globs import MOST_ALTERNATIVES, Glob, glob_problem

# (glob, name, whether doublestar matches), from its documentation and from what its tests cover.
TOLD = [
    ("abc", "abc", True),
    ("*", "abc", True),
    ("*", "a/b", False),
    ("a*", "a", True),
    ("a*/b", "abc/b", True),
    ("a*/b", "a/c/b", False),
    ("a*b?c*x", "abxbbxdbxebxczzx", True),
    ("a*b?c*x", "abxbbxdbxebxczzy", False),
    ("ab[b-d]", "abc", True),
    ("ab[e-g]", "abc", False),
    ("ab[^b-d]", "abc", False),
    ("ab[!e-g]", "abc", True),
    (r"[\]a]", "]", True),
    (r"[x\-]", "-", True),
    (r"[x\-z]", "y", False),
    (r"[\[]", "[", True),
    ("[-x]", "-", True),
    ("a?b", "a/b", False),
    (r"a\*b", "ab", False),
    (r"a\*b", "a*b", True),
    ("a/**", "a", True),
    ("a/**", "a/b/c", True),
    ("a/**", "ab", False),
    ("**/c", "c", True),
    ("**/c", "a/b/c", True),
    ("**/c", "a/abc", False),
    ("a/**/b", "a/b", True),
    ("a/**/b", "a/x/y/b", True),
    ("a/**/b", "a/xb", False),
    ("**", "a/b", True),
    ("abc**", "abc/d", False),
    ("**abc", "abc", True),
    ("a**/c", "ab/c", True),
    ("a**/c", "a/b/c", False),
    ("ab{c,d,*}", "abcde", True),
    ("{a,b/{c,d}}/x", "b/d/x", True),
    ("{a,b/{c,d}}/x", "b/x", False),
    ("{a,}b", "b", True),
    ("{a}", "a", True),
    (r"a\{b", "a{b", True),
    ("/a/b/", "a/b", True),
]


@pytest.mark.parametrize(("glob", "name", "matches"), TOLD)
def test_a_glob_matches_as_doublestar_does(glob: str, name: str, matches: bool) -> None:
    assert Glob(glob).matches(name) is matches


def judge(glob: list[str], name: list[str]) -> bool:
    """Component by component, without any engine: as slow as it gets."""
    if not glob:
        return not name
    if glob[0] == "**":
        return judge(glob[1:], name) or (bool(name) and judge(glob, name[1:]))
    return bool(name) and letters(glob[0], name[0]) and judge(glob[1:], name[1:])


def letters(glob: str, name: str) -> bool:
    if not glob:
        return not name
    if glob[0] == "*":
        return letters(glob[1:], name) or (bool(name) and letters(glob, name[1:]))
    return bool(name) and glob[0] in {name[0], "?"} and letters(glob[1:], name[1:])


component = st.text("ab", min_size=1, max_size=3)
wild = st.one_of(st.just("**"), st.text("ab*?", min_size=1, max_size=4))


@given(st.lists(wild, min_size=1, max_size=4), st.lists(component, min_size=1, max_size=4))
def test_a_glob_matches_what_the_judge_says(glob: list[str], name: list[str]) -> None:
    assert Glob("/".join(glob)).matches("/".join(name)) is judge(glob, name)


@given(st.lists(wild, min_size=1, max_size=4), st.lists(component, min_size=1, max_size=4))
def test_what_matches_starts_with_the_literal_components(glob: list[str], name: list[str]) -> None:
    compiled = Glob("/".join(glob))
    if compiled.matches("/".join(name)) and compiled.literal:
        assert ("/".join(name) + "/").startswith(compiled.literal + "/")


@given(st.text(max_size=12), st.text(max_size=12))
def test_no_text_does_worse_than_be_refused(pattern: str, name: str) -> None:
    if glob_problem(pattern) is None:
        Glob(pattern).matches(name.encode(errors="replace").decode())
    else:
        with pytest.raises(ValueError):
            Glob(pattern)


def test_the_literal_part_ends_before_the_first_special_component() -> None:
    assert Glob("/a/b/*/c").literal == "a/b"
    assert Glob("/a/b/*/c").rest == "*/c"
    assert Glob("a/b*").literal == "a"
    assert Glob("**").literal == ""
    assert Glob("a/b").is_literal
    assert not Glob("a/{b}").is_literal


def test_braces_that_multiply_are_refused() -> None:
    assert glob_problem("{a,b}" * 8) is None
    assert glob_problem("{a,b}" * 10) == f"stands for more than {MOST_ALTERNATIVES} globs without braces"


@pytest.mark.timeout(10)
def test_braces_in_braces_do_not_hang() -> None:
    assert glob_problem("{" * 3000 + "}" * 3000)
