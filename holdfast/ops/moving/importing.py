"""``holdfast import``: what another registry has, or has left on a disk, into a registry that runs.

Promises: the source is only read. What is there already is not sent again: a run that was cut off anywhere is gone on with by the
same command. What cannot be imported is listed with its reason, and the rest goes on.

Exit codes: 0 everything is there, 1 something is not (listed), 2 it could not begin, or had to stop half-way.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast import names
from holdfast.errors import HoldfastError, NameInvalidError, RequestInvalidError
from holdfast.ops import console
from holdfast.ops.moving import reaching, recognized
from holdfast.ops.moving.bodies import Bodies
from holdfast.ops.moving.copying import Copying, Ends, look
from holdfast.ops.moving.giving import reached
from holdfast.ops.moving.meter import Meter
from holdfast.ops.moving.outcomes import Outcome
from holdfast.ops.moving.reaching import DEFAULT, Concurrent, End, Rate
from holdfast.ops.moving.remote import Remote
from holdfast.ops.moving.telling import refusing, tell
from holdfast.ops.reach import AsJson  # noqa: TC001 - typer reads annotations
from holdfast.patterns.globs import Glob

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.names import Repository
    from holdfast.ops.moving.giving import Giving
    from holdfast.ops.moving.sources import Source
    from syncworker.upstream.pace import Time
    from syncworker.upstream.target import Target

From = Annotated[str, typer.Argument(metavar="DIR|URL", help="A directory that a registry filled, or a registry.")]
To = Annotated[str, typer.Option("--to", envvar="HOLDFAST_REGISTRY", metavar="URL", help="The registry to fill.")]
Repositories = Annotated[
    list[str] | None,
    typer.Option("--repository", "-r", metavar="GLOB", help="Only these, such as 'team/**'; may be given repeatedly."),
]
Prefix = Annotated[str, typer.Option("--prefix", metavar="NAME", help="Put before each name, with a slash.")]
Name = Annotated[str, typer.Option("--name", help="What the repository of a lone OCI layout is called; else as DIR.")]
Link = Annotated[
    Path | None,
    typer.Option(
        "--link",
        metavar="DATA",
        help="The data directory of --to (storage.rootDirectory), where it is served on this machine: blobs beyond 1 MiB become"
        " hard links to DIR's files, and take no room of their own. Whoever changes such a file later changes the blob.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what there is to import, and end.")]
MoveTags = Annotated[bool, typer.Option("--move-tags", help="Also move tags that name something else at the target.")]
User = Annotated[str | None, typer.Option("--user", "-u", help="Who, at --to; without it docker's own login.")]
SourceUser = Annotated[str | None, typer.Option("--source-user", help="Who, at URL; without it docker's own login.")]
FromInput = Annotated[
    bool, typer.Option("--password-stdin", help="Read passwords from standard input: a line for --user, --source-user.")
]
CertDir = Annotated[
    Path | None, typer.Option("--cert-dir", help="Certificates for --to, as docker keeps them in certs.d.")
]
SourceCertDir = Annotated[Path | None, typer.Option("--source-cert-dir", help="The same for URL.")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Take any certificate of --to.")]
SourceInsecure = Annotated[bool, typer.Option("--source-insecure", help="Take any certificate of URL.")]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which repositories, and what they become. Without ``globs`` all are meant."""

    globs: tuple[Glob, ...] = ()
    prefix: str = ""

    def matches(self, repository: Repository) -> bool:
        return not self.globs or any(glob.matches(repository) for glob in self.globs)

    @property
    def literal(self) -> list[Repository]:
        """Their names, if no pattern is among them: then nobody needs a catalog."""
        if not all(glob.is_literal for glob in self.globs):
            return []
        return [names.repository(glob.literal) for glob in self.globs]

    def becomes(self, repository: Repository) -> Repository:
        """Raises NameInvalidError."""
        return names.repository(f"{self.prefix}/{repository}") if self.prefix else repository


@dataclass(frozen=True, slots=True)
class Work:
    """What a run stands on."""

    source: Source
    target: Target
    choice: Choice
    around: Time
    spread: Executor


def import_(  # noqa: PLR0913, PLR0917 - each is an option of the command
    source: From,
    to: To = DEFAULT,
    repository: Repositories = None,
    prefix: Prefix = "",
    name: Name = "",
    link: Link = None,
    dry_run: DryRun = False,
    move_tags: MoveTags = False,
    concurrent: Concurrent = 4,
    rate: Rate = "",
    user: User = None,
    source_user: SourceUser = None,
    password_stdin: FromInput = False,
    cert_dir: CertDir = None,
    source_cert_dir: SourceCertDir = None,
    insecure: Insecure = False,
    source_insecure: SourceInsecure = False,
    json_output: AsJson = False,
) -> None:
    """Import images from a directory that zot, distribution or another tool filled, or from a registry that runs.

    Tags, manifests without a tag (from directories) and referrers come along, all with the digests they have. The time when a
    tag was set does not: no registry's API can set it. Run it again after whatever interrupted it; what is there is not sent
    again.

    Examples: holdfast import /var/lib/zot --dry-run
              holdfast import https://old.example --to https://new.example -r 'team/**' --user admin
    """
    with refusing():
        ends = (
            End(to, user, cert_dir, insecure, concurrent),
            None
            if recognized.is_directory(source)
            else End(source, source_user, source_cert_dir, source_insecure, concurrent),
        )
        choice = Choice(tuple(map(_glob, repository or ())), prefix.strip("/"))
        limit = reaching.bytes_per_second(rate)
        secrets = reaching.passwords(ends, from_input=password_stdin)
        around = reaching.real_time()
        with (
            ThreadPoolExecutor(concurrent, thread_name_prefix="manifest") as spread,
            contextlib.closing(reaching.target(ends[0], secrets[0], around)) as filled,
            _source(source, name, ends[1], secrets[1], choice, spread, around) as found,
            reached(link) as giving,
        ):
            work = Work(found, filled, choice, around, spread)
            with Meter(around, limit, shown=not json_output) as meter:
                outcomes, stopped = (
                    _looked(work, meter) if dry_run else _imported(work, meter, giving, concurrent, move_tags=move_tags)
                )
    tell(outcomes, meter.sent_bytes, stopped, "import", json_output=json_output, dry_run=dry_run)


@contextlib.contextmanager
def _source(
    text: str, name: str, end: End | None, password: str | None, choice: Choice, spread: Executor, around: Time
) -> Iterator[Source]:
    notes: Sequence[str] = ()
    if end is None:
        found, notes = recognized.directory(Path(text).expanduser(), name)
    else:
        found = Remote(reaching.upstream(end, password, around), choice.literal, spread)
    for note in notes:
        console.warn(note)
    try:
        yield found
    finally:
        found.close()


def _imported(
    work: Work, meter: Meter, giving: Giving | None, concurrent: int, *, move_tags: bool
) -> tuple[list[Outcome], str]:
    """What has become of each repository, and why the run stopped before its end; "": it did not."""
    bodies = Bodies(work.source, work.target, meter, concurrent, work.around.clock, giving)
    ends = Ends(work.source, work.target)
    copying = Copying(ends, bodies, meter, work.spread, concurrent, move_tags=move_tags)
    outcomes: list[Outcome] = []
    try:
        for repository, becomes in _chosen(work, outcomes):
            meter.about(repository)
            outcomes.append(Outcome(repository, becomes))
            copying.copy(repository, becomes, outcomes[-1])
    except HoldfastError as error:
        return outcomes, error.message
    except KeyboardInterrupt:
        return outcomes, "interrupted"
    finally:
        meter.stop()
        bodies.close()
    return outcomes, ""


def _looked(work: Work, meter: Meter) -> tuple[list[Outcome], str]:
    """The same of a dry run, which sends nothing and asks the target nothing."""
    outcomes: list[Outcome] = []
    for repository, becomes in _chosen(work, outcomes):
        meter.about(repository)
        outcome = Outcome(repository, becomes)
        outcomes.append(outcome)
        try:
            _, tree = look(work.source, repository, outcome, work.spread)
        except HoldfastError as error:
            outcome.fail(repository, error.message)
        else:
            for digest, why in tree.failed.items():
                outcome.fail(digest, why)
    return outcomes, ""


def _chosen(work: Work, outcomes: list[Outcome]) -> Iterator[tuple[Repository, Repository]]:
    for repository in work.source.repositories():
        if not work.choice.matches(repository):
            continue
        try:
            yield repository, work.choice.becomes(repository)
        except NameInvalidError as error:
            outcome = Outcome(repository, f"{work.choice.prefix}/{repository}")
            outcome.fail(repository, error.message)
            outcomes.append(outcome)


def _glob(text: str) -> Glob:
    try:
        return Glob(text)
    except ValueError as error:
        raise RequestInvalidError(f"--repository {text!r}: {error}") from error
