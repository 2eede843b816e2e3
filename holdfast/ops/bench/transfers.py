"""Scenarios that move blobs: push, pull, mixed, many pushes at once, known layers, and the server's footprint."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from holdfast.ops.bench.measure import Figure, Tally
from holdfast.ops.bench.registry import Timing
from holdfast.ops.bench.stage import Job, figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.ops.bench.content import Blob, Manifest
    from holdfast.ops.bench.options import Size
    from holdfast.ops.bench.registry import Client
    from holdfast.ops.bench.stage import Stage


def push(stage: Stage) -> Iterator[Figure]:
    """Every size, by one client and by several."""
    for size in stage.options.sizes:
        for clients in _client_counts(stage):
            yield _push(stage, "push", size, clients, stage.options.repeat)


def parallel_push(stage: Stage) -> Iterator[Figure]:
    """One size by many clients at once."""
    options = stage.options
    yield _push(stage, "parallel-push", options.parallel_size, options.parallel, options.repeat)


def _client_counts(stage: Stage) -> tuple[int, ...]:
    return tuple(dict.fromkeys((1, stage.options.clients)))


def _push(stage: Stage, scenario: str, size: Size, clients: int, repeat: int) -> Figure:
    case = f"{size.label} x{clients}"
    stage.say(f"{scenario} {case}: preparing")
    repository = stage.blobs_repository
    tallies = [Tally() for _ in range(clients)]

    def plan() -> list[Job]:
        blobs = [stage.contents.fresh(f"client-{n}", size.size_bytes) for n in range(clients)]
        stage.keep_for_pulls(blobs[0])
        return [_push_job(stage, repository, blob) for blob in blobs]

    with stage.watch.over() as sampling:
        stage.waves(plan, repeat, tallies)
    if any(tally.failures for tally in tallies):
        stage.forget_for_pulls(size)
    return figure(scenario, case, tallies, sampling)


def _push_job(stage: Stage, repository: str, blob: Blob) -> Job:
    stage.note(repository, f"blobs/{blob.digest}")
    return Job(lambda client: client.push_blob(repository, blob), blob.size_bytes)


def pull(stage: Stage) -> Iterator[Figure]:
    """Every size, by one client and by several that read the same blob."""
    for size in stage.options.sizes:
        stage.say(f"pull {size.label}: preparing")
        with stage.target.client() as client:
            repository, blob = stage.stored_for_pulls(client, size)
        for clients in _client_counts(stage):
            jobs = [Job(_puller(repository, blob), blob.size_bytes)] * clients
            tallies = [Tally() for _ in range(clients)]
            with stage.watch.over() as sampling:
                stage.waves(partial(list, jobs), stage.options.repeat, tallies)
            yield figure("pull", f"{size.label} x{clients}", tallies, sampling)


def _puller(repository: str, blob: Blob) -> Callable[[Client], Timing]:
    return lambda client: client.pull_blob(repository, blob)


def mixed(stage: Stage) -> Iterator[Figure]:
    """Half of the clients push while the other half pulls."""
    size, each = stage.options.parallel_size, max(1, stage.options.clients // 2)
    with stage.target.client() as client:
        repository, stored = stage.stored_for_pulls(client, size)
    pulling = Job(_puller(repository, stored), stored.size_bytes)
    tallies = [Tally() for _ in range(2 * each)]

    def plan() -> list[Job]:
        # Not the slots of the scenario "push": those hold the blob that is being pulled here.
        blobs = [stage.contents.fresh(f"mixed-{n}", size.size_bytes) for n in range(each)]
        return [_push_job(stage, repository, blob) for blob in blobs] + [pulling] * each

    with stage.watch.over() as sampling:
        stage.waves(plan, stage.options.repeat, tallies)
    yield figure("mixed", f"push {size.label} x{each}", tallies[:each], sampling)
    yield figure("mixed", f"pull {size.label} x{each}", tallies[each:], sampling)


def known_layers(stage: Stage) -> Iterator[Figure]:
    """Images whose layers are there: a HEAD for each, then a new config and the manifest, as a build farm sends them."""
    options = stage.options
    repository = stage.repository("known-layers")
    with stage.target.client() as client:
        layers = tuple(stage.store(client, repository, stage.contents.small(4096)) for _ in range(options.layers))
    tallies = [Tally() for _ in range(options.clients)]

    def plan() -> list[Job]:
        images = [(config := stage.contents.small(512), stage.contents.manifest(config, layers)) for _ in tallies]
        for config, manifest in images:
            stage.note(repository, f"blobs/{config.digest}")
            stage.note(repository, f"manifests/{manifest.digest}")
        return [_image_job(repository, layers, config, manifest) for config, manifest in images]

    with stage.watch.over() as sampling:
        stage.waves(plan, options.repeat * 5, tallies)
    yield figure("known-layers", f"{options.layers} layers x{options.clients}", tallies, sampling)


def _image_job(repository: str, layers: tuple[Blob, ...], config: Blob, manifest: Manifest) -> Job:
    def run(client: Client) -> Timing:
        began = time.perf_counter()
        for blob in (*layers, config):
            known, _ = client.has_blob(repository, blob)
            if not known:
                client.push_blob(repository, blob)
        client.put_manifest(repository, f"build-{manifest.digest.encoded[:12]}", manifest)
        return Timing(time.perf_counter() - began)

    return Job(run)


def footprint(stage: Stage) -> Iterator[Figure]:
    """One very big push and pull; the point is how much the server's memory grows."""
    size = stage.options.footprint_size
    yield _push(stage, "footprint", size, 1, 1)
    with stage.target.client() as client, stage.watch.over() as sampling:
        tally = Tally()
        repository, blob = stage.stored_for_pulls(client, size)
        timing = client.pull_blob(repository, blob)
        tally.succeed(timing.seconds, blob.size_bytes, timing.first_byte_seconds)
        tally.seconds = timing.seconds
    yield figure("footprint", f"pull {size.label}", [tally], sampling)
