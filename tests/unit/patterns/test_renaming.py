"""Names on both sides of a mirror, and that the way there and the way back are one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.patterns.renaming import IDENTITY, Renaming

# (prefix, destination, stripPrefix, upstream, here): what zot makes of them.
TOLD = [
    ("zot-fold/alpine", "/alpine", False, "zot-fold/alpine", "alpine/zot-fold/alpine"),
    ("zot-fold/alpine", "/", False, "zot-fold/alpine", "zot-fold/alpine"),
    ("zot-fold/alpine", "/alpine", True, "zot-fold/alpine", "alpine"),
    ("zot-fold/*", "/", True, "zot-fold/alpine", "alpine"),
    ("zot-fold/**", "/", True, "zot-fold/alpine", "alpine"),
    ("/zot-fold/**", "/", False, "zot-fold/alpine", "zot-fold/alpine"),
    ("zot-fold/**", "/myFold".lower(), False, "zot-fold/internal/alpine", "myfold/zot-fold/internal/alpine"),
    ("**", "/dockerhub", False, "library/busybox", "dockerhub/library/busybox"),
    ("**", "ghcr.io", False, "project/app", "ghcr.io/project/app"),
    ("/repo2/repo", "/repo", True, "repo2/repo", "repo"),
    ("/google-containers/*", "", False, "google-containers/pause", "google-containers/pause"),
]


@pytest.mark.parametrize(("prefix", "destination", "strip", "upstream", "here"), TOLD)
def test_names_are_mapped_as_zot_maps_them(
    prefix: str, destination: str, strip: bool, upstream: str, here: str
) -> None:
    renaming = Renaming(prefix, destination, strip)
    assert renaming.forward(upstream) == here
    assert renaming.backward(here) == upstream


@pytest.mark.parametrize(
    ("renaming", "upstream"),
    [
        (Renaming("zot-fold/*"), "other/alpine"),
        (Renaming("zot-fold/*"), "zot-fold/a/b"),
        (Renaming(""), "alpine"),
        (Renaming("/"), "alpine"),
        (Renaming("a/b", "/", strip_prefix=True), "a/b"),
        (Renaming("**"), "No Name"),
    ],
)
def test_what_is_not_meant_has_no_name_here(renaming: Renaming, upstream: str) -> None:
    assert renaming.forward(upstream) is None


@pytest.mark.parametrize(
    ("renaming", "here"),
    [
        (Renaming("**", "/dockerhub"), "dockerhub"),
        (Renaming("**", "/dockerhub"), "dockerhubs/library/nginx"),
        (Renaming("**", "/dockerhub"), "library/nginx"),
        (Renaming("a/*", "/x"), "x/b/c"),
        (Renaming("a/*", "/x", strip_prefix=True), "x/a/c"),
    ],
)
def test_a_name_that_nothing_is_mapped_to_has_no_source(renaming: Renaming, here: str) -> None:
    assert renaming.backward(here) is None


@pytest.mark.parametrize("destination", ["/..", "/a/../b", "a//b", "/Upper", "a b", "/-a", "a" * 256])
def test_a_destination_that_is_no_start_of_a_name_is_refused(destination: str) -> None:
    with pytest.raises(ValueError, match="no start of repository names"):
        Renaming("**", destination)


component = st.sampled_from(["a", "b", "c"])
name = st.lists(component, min_size=1, max_size=4).map("/".join)
destination = st.one_of(st.just(""), name.map("/".__add__))
FORMS = ("{}", "*", "**", "{{{},x}}", "[{}]", "{}*", "?")


@st.composite
def meant(draw: st.DrawFn) -> tuple[Renaming, str]:
    """A renaming, and an upstream name that its prefix matches."""
    components = draw(st.lists(component, min_size=1, max_size=4))
    prefix = "/".join(draw(st.sampled_from(FORMS)).format(part) for part in components)
    return Renaming(prefix, draw(destination), draw(st.booleans())), "/".join(components)


@given(meant())
def test_the_way_back_leads_where_the_way_there_began(case: tuple[Renaming, str]) -> None:
    renaming, upstream = case
    here = renaming.forward(upstream)
    if here is None:
        assert renaming.leaves_no_name or upstream == renaming.source_literal
        return
    assert renaming.backward(here) == upstream
    assert f"{here}/".startswith(f"{renaming.literal}/" if renaming.literal else "")


@given(meant(), name)
def test_the_way_there_leads_where_the_way_back_began(case: tuple[Renaming, str], here: str) -> None:
    upstream = case[0].backward(here)
    assert upstream is None or case[0].forward(upstream) == here


@given(name)
def test_without_content_every_name_is_itself(anything: str) -> None:
    assert IDENTITY.forward(anything) == IDENTITY.backward(anything) == anything
    assert IDENTITY.literal == ""


def test_a_prefix_without_a_glob_names_one_repository() -> None:
    assert Renaming("/library/nginx").source == "library/nginx"
    assert Renaming("library/*").source is None
    assert Renaming("").source is None
