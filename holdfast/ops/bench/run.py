"""A run: the scenarios in order, in a directory of their own that is gone afterwards, also on Ctrl-C."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast.errors import AnswerError, RequestInvalidError
from holdfast.ops.bench import lookups, slow, transfers
from holdfast.ops.bench.auth import Authorizer, Credentials
from holdfast.ops.bench.content import Contents
from holdfast.ops.bench.measure import Figure, Tally
from holdfast.ops.bench.stage import Stage, Target
from holdfast.ops.bench.watch import ServerWatch, find_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from holdfast.ops.bench.endpoint import Dialer, Endpoint
    from holdfast.ops.bench.options import Options


@dataclass(frozen=True, slots=True)
class Scenario:
    """A name on the command line. ``usual`` ones run when none is named."""

    name: str
    run: Callable[[Stage], Iterator[Figure]]
    usual: bool = True

    @property
    def meaning(self) -> str:
        return (self.run.__doc__ or "").strip().partition("\n")[0]


SCENARIOS: Final[dict[str, Scenario]] = {
    scenario.name: scenario
    for scenario in (
        Scenario("push", transfers.push),
        Scenario("pull", transfers.pull),
        Scenario("mixed", transfers.mixed),
        Scenario("parallel-push", transfers.parallel_push),
        Scenario("known-layers", transfers.known_layers),
        Scenario("get-tag", lookups.get_tag),
        Scenario("get-digest", lookups.get_digest),
        Scenario("head-tag", lookups.head_tag),
        Scenario("head-digest", lookups.head_digest),
        Scenario("tags", lookups.tags),
        Scenario("catalog", lookups.catalog),
        Scenario("many-tags", lookups.many_tags),
        Scenario("slow-readers", slow.slow_readers),
        # Gigabytes each way: only for those who ask for it.
        Scenario("footprint", transfers.footprint, usual=False),
    )
}


def choose(names: Sequence[str]) -> tuple[Scenario, ...]:
    """The named scenarios, or the usual ones.

    Raises:
        RequestInvalidError: a name that is none.
    """
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        raise RequestInvalidError(f"no scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    return tuple(SCENARIOS[name] for name in names) or tuple(s for s in SCENARIOS.values() if s.usual)


@dataclass(frozen=True, slots=True)
class Run:
    """Everything a run needs. ``directory`` is kept when it is given, so that the next run need not write big files anew."""

    endpoint: Endpoint
    dialer: Dialer
    credentials: Credentials | None
    options: Options
    scenarios: tuple[Scenario, ...]
    server_pid: int | None = None
    directory: Path | None = None

    def figures(self, say: Callable[[str], None]) -> Iterator[Figure]:
        """One figure after the other, each as soon as it is known.

        A scenario that cannot even be prepared is a figure with one failure, and the next one goes on.

        Raises:
            AnswerError: there is no registry, or it refuses the login.
            RequestInvalidError: the server's pid is nobody's.
        """
        authorizer = Authorizer(self.credentials, self.dialer)
        target = Target(self.endpoint, self.dialer, authorizer)
        with target.client() as client:
            client.ping()
        pid = self.server_pid if self.server_pid is not None else find_server(self.endpoint)
        with ExitStack() as guard:
            directory = self.directory or Path(
                guard.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-bench-"))
            )
            contents = Contents(directory, self.options.seed)
            stage = Stage(self.options, target, contents, ServerWatch(pid), say)
            guard.callback(stage.tidy)
            for scenario in self.scenarios:
                say(scenario.name)
                yield from _guarded(scenario, stage)


def _guarded(scenario: Scenario, stage: Stage) -> Iterator[Figure]:
    try:
        yield from scenario.run(stage)
    except AnswerError as error:
        tally = Tally()
        tally.fail(error.message)
        yield Figure(scenario.name, "preparing", tally)
