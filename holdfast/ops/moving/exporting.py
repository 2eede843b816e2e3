"""``holdfast export``: repositories of a registry as OCI layouts on a disk, one directory each, as zot has them.

Promises: what arrives is compared with its digest, and has its name only when it is whole: a run that was cut off anywhere is gone
on with by the same command. Referrers come along. An image of which a part cannot be had is not in index.json, and is listed.

Exit codes: as import's.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast import digest as digests
from holdfast import names
from holdfast.errors import HoldfastError, RequestInvalidError, UnavailableError, UpstreamUnavailableError
from holdfast.ops.moving import giving, reaching
from holdfast.ops.moving.filling import Wish, Work, fill
from holdfast.ops.moving.meter import Meter
from holdfast.ops.moving.outcomes import Outcome
from holdfast.ops.moving.reaching import DEFAULT, Concurrent, End, Rate
from holdfast.ops.moving.remote import Remote
from holdfast.ops.moving.shelving import Shelf
from holdfast.ops.moving.telling import refusing, tell
from holdfast.ops.reach import AsJson  # noqa: TC001 - typer reads annotations
from holdfast.patterns.globs import Glob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.names import Repository

Wanted = Annotated[
    list[str],
    typer.Argument(
        metavar="REPOSITORY[:TAG|@DIGEST]... DIR",
        help="What to export, all tags where none is named; a GLOB such as 'team/**' takes what the catalog has. Last: where to.",
    ),
]
From = Annotated[str, typer.Option("--from", envvar="HOLDFAST_REGISTRY", metavar="URL", help="The registry.")]
User = Annotated[str | None, typer.Option("--user", "-u", help="Who; without it docker's own login.")]
FromInput = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
CertDir = Annotated[Path | None, typer.Option("--cert-dir", help="Certificates, as docker keeps them in certs.d.")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Take any certificate.")]
Link = Annotated[
    Path | None,
    typer.Option(
        "--link",
        metavar="DATA",
        help="The registry's data directory (storage.rootDirectory), where it is served on this machine: files become hard links"
        " to its blobs, and take no room. Whoever changes such a file in place later damages the registry.",
    ),
]


def export(  # noqa: PLR0913, PLR0917 - each is an option of the command
    wanted: Wanted,
    from_: From = DEFAULT,
    concurrent: Concurrent = 4,
    rate: Rate = "",
    user: User = None,
    password_stdin: FromInput = False,
    cert_dir: CertDir = None,
    insecure: Insecure = False,
    link: Link = None,
    json_output: AsJson = False,
) -> None:
    """Write repositories as OCI layouts: DIR/REPOSITORY is one that skopeo, oras, podman and `holdfast import` read.

    What a layout in DIR has already is kept, and not fetched again.

    Example: holdfast export team/app:v1 'base/**' /srv/export --from https://registry.example
    """
    with refusing():
        if len(wanted) < 2:
            raise RequestInvalidError("name what to export, and last a directory to put it in")
        end = End(from_, user, cert_dir, insecure, concurrent)
        (secret,) = reaching.passwords([end], from_input=password_stdin)
        around = reaching.real_time()
        with (
            ThreadPoolExecutor(concurrent, thread_name_prefix="blob") as spread,
            contextlib.closing(reaching.upstream(end, secret, around)) as upstream,
            giving.reached(link) as node,
            Meter(around, reaching.bytes_per_second(rate), shown=not json_output) as meter,
        ):
            work = Work(Remote(upstream, (), spread), upstream, meter, spread, node)
            outcomes, stopped = _exported(work, _wishes(work, wanted[:-1]), Path(wanted[-1]).expanduser())
    tell(outcomes, meter.sent_bytes, stopped, "export", json_output=json_output)


def _wishes(work: Work, wanted: Sequence[str]) -> dict[Repository, Wish]:
    """Raises InputError: not a name, a tag or a digest. UpstreamError: the catalog cannot be had."""
    found: dict[Repository, Wish] = {}
    for text in wanted:
        name, at, digest = text.partition("@")
        front, colon, tag = name.rpartition(":")
        name = front if colon else name
        for repository in _named(work, name):
            wish = found.setdefault(repository, Wish())
            if at:
                wish.digests.append(digests.parse_computable(digest))
            elif colon:
                wish.tags.append(names.tag(tag))
            else:
                wish.is_whole = True
    return found


def _named(work: Work, text: str) -> list[Repository]:
    try:
        glob = Glob(text)
    except ValueError as error:
        raise RequestInvalidError(f"{text!r}: {error}") from error
    if glob.is_literal:
        return [names.repository(text)]
    found = [repository for repository in work.source.repositories() if glob.matches(repository)]
    if not found:
        raise RequestInvalidError(f"{work.source.name} has no repository that {text!r} matches")
    return found


def _exported(work: Work, wishes: dict[Repository, Wish], directory: Path) -> tuple[list[Outcome], str]:
    """What has become of each repository, and why the run stopped before its end; "": it did not."""
    outcomes: list[Outcome] = []
    try:
        for repository, wish in sorted(wishes.items()):
            work.meter.about(repository)
            outcome = Outcome(repository, repository)
            outcomes.append(outcome)
            _one(work, repository, wish, Shelf(directory / repository), outcome)
    except HoldfastError as error:
        return outcomes, error.message
    except KeyboardInterrupt:
        return outcomes, "interrupted"
    finally:
        work.meter.stop()
    return outcomes, ""


def _one(work: Work, repository: Repository, wish: Wish, shelf: Shelf, outcome: Outcome) -> None:
    """Raises UpstreamUnavailableError, UnavailableError: then there is no use in going on."""
    try:
        fill(work, repository, wish, shelf, outcome)
    except (UnavailableError, UpstreamUnavailableError):
        raise
    except HoldfastError as error:
        outcome.fail(repository, error.message)
