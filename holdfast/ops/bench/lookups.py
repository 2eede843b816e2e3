"""Scenarios of small requests: manifests by tag and digest, tag lists, the catalog, and a repository with many tags."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

from holdfast.ops.bench import flood, wrk
from holdfast.ops.bench.http import Request
from holdfast.ops.bench.measure import Figure, Tally
from holdfast.ops.bench.registry import ACCEPT, CATALOG_SCOPE, scope_of
from holdfast.ops.bench.stage import count, figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from holdfast.ops.bench.content import Manifest
    from holdfast.ops.bench.registry import Timing
    from holdfast.ops.bench.stage import Stage

_FEW_TAGS: Final = 10
_LISTED_TAGS: Final = 100
_LISTED_REPOSITORIES: Final = 20
_FILLING_CLIENTS: Final = 4
_BATCH: Final = 20
_STRIDE: Final = 7919  # a prime: the tags asked for are strewn over the repository


def get_tag(stage: Stage) -> Iterator[Figure]:
    """GET of a manifest by tag."""
    yield _manifests(stage, "get-tag", "GET", by_digest=False)


def get_digest(stage: Stage) -> Iterator[Figure]:
    """GET of a manifest by digest."""
    yield _manifests(stage, "get-digest", "GET", by_digest=True)


def head_tag(stage: Stage) -> Iterator[Figure]:
    """HEAD of a manifest by tag."""
    yield _manifests(stage, "head-tag", "HEAD", by_digest=False)


def head_digest(stage: Stage) -> Iterator[Figure]:
    """HEAD of a manifest by digest."""
    yield _manifests(stage, "head-digest", "HEAD", by_digest=True)


def _manifests(stage: Stage, scenario: str, method: str, *, by_digest: bool) -> Figure:
    repository = stage.repository("manifests")
    with stage.target.client() as client:
        manifest = stage.store_image(client, repository, "latest")
    reference = str(manifest.digest) if by_digest else "latest"
    return _flood(stage, scenario, method, f"/v2/{repository}/manifests/{reference}", scope_of(repository))


def tags(stage: Stage) -> Iterator[Figure]:
    """The list of a hundred tags."""
    repository = stage.repository("tags")
    wanted = min(_LISTED_TAGS, stage.options.tags)
    _fill(stage, repository, wanted)
    yield _flood(stage, "tags", "GET", f"/v2/{repository}/tags/list", scope_of(repository), f"{wanted} tags, ")


def catalog(stage: Stage) -> Iterator[Figure]:
    """A page of the catalog, where the registry has one for us."""
    target = f"/v2/_catalog?n={_LISTED_REPOSITORIES}"
    with stage.target.client() as client:
        for number in range(_LISTED_REPOSITORIES):
            stage.store_image(client, stage.repository(f"catalog-{number}"), "latest", 64)
        status = client.probe(target, CATALOG_SCOPE)
    if status in {401, 403, 404, 405}:
        yield Figure("catalog", "page", skipped=f"the registry offers none to us ({status})")
        return
    yield _flood(stage, "catalog", "GET", target, CATALOG_SCOPE)


def _flood(stage: Stage, scenario: str, method: str, target: str, scope: str, prefix: str = "") -> Figure:
    options, place = stage.options, stage.target
    header = place.authorizer.header(scope)
    headers = (ACCEPT, ("Authorization", header)) if header else (ACCEPT,)
    request = Request(method, target, headers)
    case = f"{prefix}{options.connections} connections"
    stage.say(f"{scenario}, {case}")
    with ExitStack() as guard:
        if options.wrk:
            sampling = guard.enter_context(stage.watch.over())
            tally = wrk.run(place.endpoint, request, options.connections, options.seconds)
            guard.close()
            return figure(scenario, f"{case} (wrk)", [tally], sampling)
        plan = flood.Plan(
            place.endpoint,
            place.dialer,
            (request.head(place.endpoint.authority).decode("latin-1"),),
            options.connections,
            options.seconds,
        )
        sampling = guard.enter_context(stage.watch.over())
        tally = flood.run(plan, options.processes, guard)
        guard.close()
    return figure(scenario, case, [tally], sampling)


def many_tags(stage: Stage) -> Iterator[Figure]:
    """Does a repository slow down with its tags? GET and PUT by tag, in turns, with ten tags and with many."""
    repositories = {count: stage.repository(f"tags-{count}") for count in (_FEW_TAGS, stage.options.tags)}
    templates = {count: _fill(stage, repository, count) for count, repository in repositories.items()}
    tallies = {(method, count): Tally() for count in repositories for method in ("GET", "PUT")}
    with stage.target.client() as client, stage.watch.over() as sampling:
        ends_at = time.perf_counter() + stage.options.seconds
        for turn in range(stage.options.repeat):
            stage.say(f"many-tags: turn {turn + 1} of at most {stage.options.repeat}")
            for tags_there, repository in repositories.items():
                names = [_tag((turn * _BATCH + n) * _STRIDE % tags_there) for n in range(_BATCH)]
                gets = [partial(client.get_manifest, repository, name) for name in names]
                _batch(tallies["GET", tags_there], gets)
                made = [(name, templates[tags_there]()) for name in names]
                for _, manifest in made:
                    stage.note(repository, f"manifests/{manifest.digest}")
                puts = [partial(client.put_manifest, repository, name, manifest) for name, manifest in made]
                _batch(tallies["PUT", tags_there], puts)
            if time.perf_counter() >= ends_at:
                break
    for (method, tags_there), tally in tallies.items():
        yield figure("many-tags", f"{method}, {tags_there} tags", [tally], sampling)


def _batch(tally: Tally, asks: Sequence[Callable[[], Timing]]) -> None:
    began = time.perf_counter()
    for ask in asks:
        count(tally, ask)
    tally.seconds += time.perf_counter() - began


def _tag(number: int) -> str:
    return f"v{number:06d}"


def _fill(stage: Stage, repository: str, wanted: int) -> Callable[[], Manifest]:
    """Push ``wanted`` tags, each of an image of its own; the answer makes further images of the same blobs."""
    with stage.target.client() as client:
        config, layer = stage.contents.small(256), stage.contents.small(4096)
        for blob in (config, layer):
            stage.store(client, repository, blob)

    def put(numbers: range) -> None:
        with stage.target.client() as client:
            for number in numbers:
                client.put_manifest(repository, _tag(number), images[number])
                if number % 100 == 0:
                    stage.say(f"{wanted} tags: at number {number}")

    images = [stage.contents.manifest(config, (layer,)) for _ in range(wanted)]
    for image in images:
        stage.note(repository, f"manifests/{image.digest}")
    with ThreadPoolExecutor(_FILLING_CLIENTS) as pool:
        list(pool.map(put, [range(n, wanted, _FILLING_CLIENTS) for n in range(_FILLING_CLIENTS)]))
    return lambda: stage.contents.manifest(config, (layer,))
