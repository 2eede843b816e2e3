"""Rules of ``content`` in ``extensions.sync``: which names are mirrored where.

Promises: what is refused cannot work (a destination that is no name, a mirror into repositories that never ask upstream); what
works in zot and is probably a mistake is a warning. Only contradictions that hold for every name are found: whether two globs
have any name in common is not worked out.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

from holdfast.config.rules.finding import Finding, Rule
from holdfast.config.sync import PUSH
from holdfast.patterns.globs import Glob
from holdfast.patterns.renaming import IDENTITY, Renaming, destination_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.config.faults import Steps
    from holdfast.config.settings import Settings
    from holdfast.config.sync import SyncContent, SyncRegistry

_REGISTRIES: Final[Steps] = ("extensions", "sync", "registries")


def names_can_be_made(settings: Settings) -> Iterator[Finding]:
    for at, _, content in _contents(settings):
        if problem := destination_problem(content.destination):
            yield Finding((*at, "destination"), problem, 'write it as "/dockerhub", or "/" for the root')
        elif _renaming(content).leaves_no_name:
            message = "leaves no name: the prefix is the whole name and the destination is the root"
            reads: tuple[Steps, ...] = ((*at, "prefix"), (*at, "destination"))
            yield Finding((*at, "stripPrefix"), message, "give a destination, or a prefix with a glob", reads)
        elif _renaming(content).means_nothing:
            yield Finding((*at, "prefix"), "matches no repository", 'write "**" for all', warning=True)


def local_repositories_stay_local(settings: Settings) -> Iterator[Finding]:
    sync = settings.extensions.sync
    for number, pattern in enumerate(sync.local_repositories if sync else ()):
        glob, reads = Glob(pattern), ((*_REGISTRIES[:-1], "localRepositories", number),)
        for at, registry, renaming in _pulled(settings):
            if glob.rest == "**" and _within(renaming.literal, glob.literal) and registry.direction != PUSH:
                message = f"mirrors nothing: all of it would be within localRepositories[{number}]"
                yield Finding(at, message, "give it another destination, or narrow localRepositories", reads)


def every_content_is_reached(settings: Settings) -> Iterator[Finding]:
    """Zot's rule: the first entry of a registry that matches an upstream's repository decides."""
    for (at, registry, content), (other_at, other_registry, other) in combinations(_contents(settings), 2):
        first, second = Glob(content.prefix), Glob(other.prefix)
        covers = first.text.strip("/") == second.text.strip("/") or (
            first.rest == "**" and _within(second.literal, first.literal)
        )
        if registry is other_registry and covers and not _renaming(content).means_nothing:
            message = f"never decides: content[{at[-1]}] comes before it and matches all that this does"
            reads: tuple[Steps, ...] = ((*at, "prefix"),)
            yield Finding((*other_at, "prefix"), message, "write the narrower prefix first", reads, warning=True)


def no_two_become_one(settings: Settings) -> Iterator[Finding]:
    """Two repositories that are polled into one name would take each other's tags away with every round."""
    polled = [place for place in _pulled(settings) if place[1].poll_interval]
    for (at, _, renaming), (other_at, _, other) in combinations(polled, 2):
        one, two = Glob(renaming.prefix), Glob(other.prefix)
        same_rest = one.rest == two.rest and renaming.literal == other.literal
        if same_rest and (renaming != other or at[:4] != other_at[:4]):
            message = f"puts other repositories under the names of {_told(at)}; the later round takes the tags"
            yield Finding(other_at, message, "give each a destination of its own", (at,), warning=True)


def _told(at: Steps) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in at).removeprefix(".")


def _contents(settings: Settings) -> list[tuple[Steps, SyncRegistry, SyncContent]]:
    sync = settings.extensions.sync
    return [
        ((*_REGISTRIES, number, "content", index), registry, content)
        for number, registry in enumerate(sync.registries if sync else ())
        for index, content in enumerate(registry.content)
    ]


def _pulled(settings: Settings) -> list[tuple[Steps, SyncRegistry, Renaming]]:
    """Every way by which names are filled from upstream, that of a registry without content included."""
    sync = settings.extensions.sync
    whole = [
        ((*_REGISTRIES, number), registry, IDENTITY)
        for number, registry in enumerate(sync.registries if sync else ())
        if not registry.content and registry.on_demand and registry.direction != PUSH
    ]
    parts = [
        (at, registry, _renaming(content))
        for at, registry, content in _contents(settings)
        if registry.direction != PUSH and destination_problem(content.destination) is None
    ]
    return whole + [place for place in parts if not place[2].means_nothing]


def _renaming(content: SyncContent) -> Renaming:
    return Renaming(content.prefix, content.destination, content.strip_prefix)


def _within(name: str, start: str) -> bool:
    return not start or name == start or name.startswith(f"{start}/")


CONTENT_RULES: Final[tuple[Rule, ...]] = (
    names_can_be_made,
    local_repositories_stay_local,
    every_content_is_reached,
    no_two_become_one,
)
