"""Expressions are zot's, and none can hang a process."""

from __future__ import annotations

import pytest

from holdfast.patterns.expressions import MOST_CHARACTERS, Expression, regex_problem


@pytest.mark.parametrize("text", [r"\z", r"\pL+", "(?i)latest", r".*-(amd64|arm64)$", "4.*", "[[:digit:]]", "(?P<n>a)"])
def test_what_go_compiles_is_compiled(text: str) -> None:
    assert regex_problem(text) is None


@pytest.mark.parametrize("text", ["(?<=a)b", "(?!a)b", r"(a)\1", "*", "(", "a{1001}", "(?:a{1000}){1000}", "(" * 5000])
def test_what_go_refuses_is_refused_with_words(text: str) -> None:
    problem = regex_problem(text)
    assert problem
    assert problem.startswith("does not compile: ")


def test_half_a_character_is_refused() -> None:
    assert regex_problem("a\ud800") == "does not compile: it holds half a character"


def test_an_endless_expression_is_refused_before_it_is_compiled() -> None:
    assert regex_problem("a" * MOST_CHARACTERS) is None
    assert regex_problem("a" * (MOST_CHARACTERS + 1)) == f"is longer than {MOST_CHARACTERS} characters"


@pytest.mark.timeout(10)  # an engine that backtracks would be at it until the sun burns out
@pytest.mark.parametrize("text", ["^(a+)+$", "^(a|aa)+$", "^(.*a){40}$", "^(a?){100}a{100}$"])
def test_expressions_that_make_engines_backtrack_are_answered(text: str) -> None:
    assert not Expression(text).found_in("a" * 128 + "!" * 4096)


def test_found_in_looks_anywhere_and_covers_takes_the_whole() -> None:
    assert Expression("4.*").found_in("v1.4")
    assert not Expression("4.*").covers("v1.4")
    assert Expression("4.*").covers("4.1")


def test_expressions_are_equal_when_their_texts_are() -> None:
    assert Expression("a") == Expression("a")
    assert Expression("a") != Expression("b")
    assert len({Expression("a"), Expression("a")}) == 1
