"""Scenarios of small requests: manifests by tag and digest, tag lists, the catalog, and a repository with many tags."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
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
    from holdfast.ops.bench.registry import Client, Timing
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
    """Does a repository slow down with its tags? GET and PUT of ten tags, in turns, among ten and among many.

    Ten tags are asked for in both, so that what differs is how many others there are, and not what a cache holds. The case
    "GET any" asks for a different tag every time: there a cache that is smaller than the repository shows.
    """
    options = stage.options
    rooms = [_room(stage, tags_there) for tags_there in dict.fromkeys((_FEW_TAGS, options.tags))]
    anywhere = Tally()
    with stage.target.client() as client, stage.watch.over() as sampling:
        ends_at = time.perf_counter() + options.seconds
        for turn in range(options.repeat):
            stage.say(f"many-tags: turn {turn + 1} of at most {options.repeat}")
            for room in rooms:
                room.take_turn(stage, client)
            others = [_tag((turn * _BATCH + n) * _STRIDE % options.tags) for n in range(_BATCH)]
            _batch(anywhere, [partial(client.get_manifest, rooms[-1].repository, name) for name in others])
            if time.perf_counter() >= ends_at:
                break
    for room in rooms:
        yield figure("many-tags", f"GET, {room.tags_there} tags", [room.gets], sampling)
        yield figure("many-tags", f"PUT, {room.tags_there} tags", [room.puts], sampling)
    yield figure("many-tags", f"GET any, {options.tags} tags", [anywhere], sampling)


@dataclass(frozen=True, slots=True)
class _Room:
    """A repository with so many tags, the ten that are asked for, and what came of it."""

    repository: str
    tags_there: int
    image: Callable[[], Manifest]
    gets: Tally = field(default_factory=Tally)
    puts: Tally = field(default_factory=Tally)

    def take_turn(self, stage: Stage, client: Client) -> None:
        names = [_tag(number * self.tags_there // _FEW_TAGS) for number in range(_FEW_TAGS)] * (_BATCH // _FEW_TAGS)
        _batch(self.gets, [partial(client.get_manifest, self.repository, name) for name in names])
        images = [self.image() for _ in names]
        for image in images:
            stage.note(self.repository, f"manifests/{image.digest}")
        pairs = zip(names, images, strict=True)
        _batch(self.puts, [partial(client.put_manifest, self.repository, name, image) for name, image in pairs])


def _room(stage: Stage, tags_there: int) -> _Room:
    repository = stage.repository(f"tags-{tags_there}")
    return _Room(repository, tags_there, _fill(stage, repository, tags_there))


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
