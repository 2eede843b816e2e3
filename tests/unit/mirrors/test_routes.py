"""Names here and upstream, told as scenarios; and that the way there and the way back are one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import ConfigError
from holdfast.mirrors.namespaces import namespace, namespace_of
from holdfast.mirrors.policy import Kind, Policy
from holdfast.mirrors.routes import Routes, Source
from holdfast.mirrors.ways import pushed
from holdfast.names import Repository
from tests.unit.mirrors.settings import sync_of

if TYPE_CHECKING:
    from collections.abc import Callable

SCENARIOS = sorted((Path(__file__).parent / "routes").glob("*.txt"))


def told(sources: tuple[Source, ...]) -> str:
    return " ".join(f"{source.way.registry}:{source.repository}" for source in sources) or "-"


def placed(routes: Routes, registry: str, upstream: str) -> str | None:
    found = routes.place(int(registry), upstream)
    return found.repository if found else None


QUESTIONS: dict[str, Callable[..., str | None]] = {
    "ask": lambda routes, name: told(routes.asked(name)),
    "from": lambda routes, name: told(routes.sources(name)),
    "kind": lambda routes, name: Policy(routes).kind(name).name,
    "ns": lambda routes, host, name: routes.named_by(host, name),
    "knows": lambda routes, host: "yes" if routes.knows(host) else "no",
    "docker": lambda routes, name: routes.docker_name(name),
    "place": placed,
    "named": lambda routes, registry: " ".join(routes.named_repositories(int(registry))),
}


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_names_lead_where_the_scenario_says(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    reason, rest = text.split("\n", 1)
    assert reason.startswith("Why: ")
    config, end = json.JSONDecoder().raw_decode(rest.removeprefix("config "))
    routes = Routes.of(sync_of(**config))
    for line in rest.removeprefix("config ")[end:].strip().splitlines():
        words = line.split()
        length = 3 if words[0] in {"ns", "place"} else 2
        assert (QUESTIONS[words[0]](routes, *words[1:length]) or "-") == " ".join(words[length:]), line


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) > 7


component = st.sampled_from(["a", "b", "c"])
name = st.lists(component, min_size=1, max_size=4).map("/".join)
prefix = st.lists(st.sampled_from(["a", "b", "*", "**", "{a,b}"]), min_size=1, max_size=3).map("/".join)
contents = st.fixed_dictionaries(
    {"prefix": prefix, "destination": st.one_of(st.just("/"), name.map("/".__add__)), "stripPrefix": st.booleans()}
)
registries = st.lists(
    st.fixed_dictionaries(
        {
            "urls": st.sampled_from([["https://up"], ["https://docker.io"]]),
            "onDemand": st.just(True),
            "content": st.lists(contents, max_size=3),
        }
    ),
    max_size=3,
)


def routes_of(config: list[dict[str, Any]], local: list[str] | None = None) -> Routes | None:
    """The table, or None for a configuration that is refused."""
    try:
        return Routes.of(sync_of(registries=config, localRepositories=local or []))
    except ConfigError:
        return None


@given(registries, name)
def test_where_an_upstream_s_repository_is_placed_sources_lead_back_to_it(
    config: list[dict[str, Any]], upstream: str
) -> None:
    routes = routes_of(config) or Routes()
    for number in range(len(config)):
        placed = routes.place(number, upstream)
        if placed is not None:
            back = [source.repository for source in routes.sources(placed.repository) if source.way.registry == number]
            assert placed.way.official(Repository(upstream)) in back


@given(registries, name)
def test_every_source_would_be_renamed_to_the_name_it_was_found_for(config: list[dict[str, Any]], here: str) -> None:
    routes = routes_of(config) or Routes()
    for source in routes.sources(here):
        names = {source.repository, source.repository.removeprefix("library/")}
        assert here in {source.way.renaming.forward(upstream) for upstream in names}


@given(registries, name)
def test_sources_come_longest_prefix_first_and_then_in_order(config: list[dict[str, Any]], here: str) -> None:
    sources = (routes_of(config) or Routes()).sources(here)
    ranks = [(-len(source.way.renaming.literal), source.way.registry, source.way.content or 0) for source in sources]
    assert ranks == sorted(ranks)
    assert len({(source.way.registry, source.repository) for source in sources}) == len(sources)


@given(registries, name, name)
def test_nothing_leads_from_or_to_a_local_repository(config: list[dict[str, Any]], local: str, upstream: str) -> None:
    routes = routes_of(config, [f"{local}/**"]) or Routes()
    assert routes.sources(local) == routes.sources(f"{local}/x") == ()
    for number in range(len(config)):
        placed = routes.place(number, upstream)
        assert placed is None or not f"{placed.repository}/".startswith(f"{local}/")
    for host in ("up", "docker.io"):
        found = routes.named_by(host, Repository(upstream))
        assert found is None or not f"{found}/".startswith(f"{local}/")


@given(registries, name)
def test_a_push_is_refused_only_where_something_is_mirrored(config: list[dict[str, Any]], here: str) -> None:
    routes = routes_of(config) or Routes()
    refusal = Policy(routes).push_refusal(Repository(here))
    assert (refusal is not None) is (Policy(routes).kind(Repository(here)) is Kind.CACHE)
    assert refusal is None or (routes.sources(here) and here in refusal and "allowPush" in refusal)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://index.docker.io", "docker.io"),
        ("https://registry-1.docker.io/", "docker.io"),
        ("https://registry.example.com:443/v2", "registry.example.com"),
        ("http://registry.example.com:80", "registry.example.com"),
        ("http://registry.example.com:443", "registry.example.com:443"),
        ("registry1:5000", "registry1:5000"),
        ("https://user:password@Registry.example.com.", "registry.example.com"),
        ("http://[::1]:5000", "[::1]:5000"),
        (" ", ""),
    ],
)
def test_a_url_belongs_to_the_registry_at_its_host(url: str, told: str) -> None:
    assert namespace_of(url) == told


def test_a_namespace_is_folded_as_urls_are() -> None:
    assert namespace("Registry.K8s.io") == namespace_of("https://registry.k8s.io")
    assert namespace("index.docker.io") == "docker.io"


def test_the_catalog_is_needed_only_for_globs() -> None:
    routes = Routes.of(
        sync_of(
            registries=[
                {"urls": "u", "pollInterval": "1h", "content": [{"prefix": "a/b"}, {"prefix": "c"}]},
                {"urls": "u", "pollInterval": "1h", "content": [{"prefix": "a/b"}, {"prefix": "c/*"}]},
            ]
        )
    )
    assert not routes.needs_catalog(0)
    assert routes.needs_catalog(1)
    assert routes.named_repositories(1) == ("a/b",)


def test_settings_of_content_go_before_those_of_its_registry() -> None:
    registry = {
        "urls": "u",
        "onDemand": True,
        "platforms": ["linux/amd64"],
        "cacheSize": 10,
        "cacheMaxAge": "1h",
        "content": [
            {"prefix": "a"},
            {"prefix": "b", "platforms": ["linux/arm64"], "cacheSize": 5, "cacheMaxAge": "1m"},
            {"prefix": "c", "platforms": [], "cacheMaxAge": "2m"},
        ],
    }
    a, b, c = Routes.of(sync_of(registries=[registry])).ways
    assert [*map(str, a.platforms)] == ["linux/amd64"]
    assert [*map(str, b.platforms)] == ["linux/arm64"]
    assert c.platforms == ()
    assert (a.limits.budget, a.limits.size_bytes, a.limits.max_age_seconds) == ("registries[0]", 10, 3600)
    assert (b.limits.budget, b.limits.size_bytes, b.limits.max_age_seconds) == ("registries[0].content[1]", 5, 60)
    assert (c.limits.budget, c.limits.size_bytes, c.limits.max_age_seconds) == ("registries[0]", 10, 120)


def test_what_is_fetched_ahead_is_said_by_content_first() -> None:
    registry = {
        "urls": "u",
        "onDemand": True,
        "prefetch": "image",
        "onlySigned": True,
        "syncTimeout": "10m",
        "content": [{"prefix": "a"}, {"prefix": "b", "prefetch": "all"}, {"prefix": "c", "prefetch": "none"}],
    }
    ways = Routes.of(sync_of(registries=[registry])).ways
    assert [way.prefetch for way in ways] == ["image", "all", "none"]
    assert {(way.only_signed, way.patience_seconds) for way in ways} == {(True, 600.0)}
    (plain,) = Routes.of(sync_of(registries=[{"urls": "u", "onDemand": True, "syncTimeout": 0}])).ways
    assert (plain.prefetch, plain.only_signed, plain.patience_seconds) == ("none", False, 3 * 3600.0)


@pytest.mark.parametrize("cosign", [True, False])
def test_filters_judge_names_and_not_tags_that_belong_to_a_digest(cosign: bool) -> None:
    registry = {
        "urls": "u",
        "onDemand": True,
        "syncLegacyCosignTags": cosign,
        "content": [{"prefix": "**", "tags": {"semver": True}}],
    }
    (way,) = Routes.of(sync_of(registries=[registry])).ways
    schema = f"sha256-{'a' * 64}"
    assert [way.selects(tag) for tag in ("1.2.3", "latest", schema)] == [True, False, True]
    assert {way.selects(f"{schema}.{suffix}") for suffix in ("sig", "att", "sbom")} == {cosign}


def test_the_way_of_a_push_leads_from_here_to_there() -> None:
    content = [{"prefix": "team/**", "destination": "/copies", "stripPrefix": True, "tags": {"semver": True}}]
    (way,) = pushed(sync_of(registries=[{"urls": "u", "direction": "push", "content": content}]))
    assert way.renaming.forward("team/app") == "copies/app"
    assert way.tags.selects("v1")
    assert not way.tags.selects("latest")
