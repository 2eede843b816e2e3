"""``holdfast bench URL``: options in, table or JSON out.

Exit codes: 0 all requests did as they should, 1 some did not or there is no registry, 2 wrong usage, 130 Ctrl-C.
"""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 -- typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from holdfast.errors import AnswerError, InputError
from holdfast.ops.bench import endpoint as endpoints
from holdfast.ops.bench import report
from holdfast.ops.bench.auth import Credentials
from holdfast.ops.bench.endpoint import Dialer
from holdfast.ops.bench.options import DEFAULT_SIZES, Options, parse_size
from holdfast.ops.bench.run import SCENARIOS, Run, choose

if TYPE_CHECKING:
    from holdfast.ops.bench.measure import Figure

_USAGE: Final = 2
_INTERRUPTED: Final = 130
_TABLE_WIDTH: Final = 140
_SCENARIO_HELP: Final = "Run only this one; repeatable. " + " ".join(
    f"{s.name}: {s.meaning}" for s in SCENARIOS.values()
)


def bench(  # noqa: PLR0913, PLR0917 -- each one is an option of the command line, called by name
    url: Annotated[str, typer.Argument(help="The registry: http://host:port, https://host:port or host:port.")],
    scenario: Annotated[list[str] | None, typer.Option(help=_SCENARIO_HELP)] = None,
    size: Annotated[
        list[str] | None, typer.Option(help="Blob sizes of push and pull; repeatable. 10MB, 1GiB, ...")
    ] = None,
    clients: Annotated[int, typer.Option(help="Parallel clients of push, pull, mixed and known-layers.")] = 4,
    connections: Annotated[int, typer.Option(help="Keep-alive connections of the manifest and list scenarios.")] = 16,
    processes: Annotated[int, typer.Option(help="Load processes these connections are divided among.")] = 1,
    seconds: Annotated[float, typer.Option(help="Time for each case; one request always runs to its end.")] = 5.0,
    repeat: Annotated[int, typer.Option(help="Repetitions of a transfer at most, within --seconds.")] = 20,
    tags: Annotated[int, typer.Option(help="Tags in the big repository of many-tags.")] = 10_000,
    parallel: Annotated[int, typer.Option(help="Clients of parallel-push.")] = 16,
    parallel_size: Annotated[str, typer.Option(help="Blob size of parallel-push and mixed.")] = "10MB",
    layers: Annotated[int, typer.Option(help="Layers of the images of known-layers.")] = 20,
    readers: Annotated[int, typer.Option(help="Slow readers of slow-readers.")] = 200,
    reader_rate: Annotated[int, typer.Option(help="Bytes a second that each slow reader takes.")] = 100_000,
    reader_size: Annotated[str, typer.Option(help="Size of the blob that slow readers read.")] = "50MB",
    footprint_size: Annotated[str, typer.Option(help="Blob size of footprint.")] = "4GiB",
    repository: Annotated[str, typer.Option(help="Prefix of the repositories that are made.")] = "bench",
    keep: Annotated[bool, typer.Option(help="Do not delete at the end what was pushed.")] = False,
    seed: Annotated[int | None, typer.Option(help="Same content again; without it every run's is new.")] = None,
    username: Annotated[str | None, typer.Option(help="Login name, for Basic and for Bearer realms.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="File whose first line is the password.")] = None,
    password: Annotated[
        str | None, typer.Option(envvar="HOLDFAST_BENCH_PASSWORD", help="Better in the environment.")
    ] = None,
    insecure: Annotated[bool, typer.Option(help="Take any certificate.")] = False,
    ca: Annotated[Path | None, typer.Option(help="PEM file of the authorities to trust.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds without any byte before a request is given up.")] = 60.0,
    server_pid: Annotated[
        int | None, typer.Option(help="Root of the server's process tree, if it is not found.")
    ] = None,
    directory: Annotated[Path | None, typer.Option(help="Where big blobs are made; default: a temporary one.")] = None,
    wrk: Annotated[bool, typer.Option(help="Let wrk make the small requests.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output instead of a table.")] = False,
) -> None:
    """Put load on any OCI registry and tell what it did: throughput, latencies, and the server's memory and CPU if local."""
    try:
        options = Options(
            repository=repository,
            sizes=tuple(map(parse_size, size or DEFAULT_SIZES)),
            clients=clients,
            connections=connections,
            processes=processes,
            seconds=seconds,
            repeat=repeat,
            seed=seed,
            tags=tags,
            parallel=parallel,
            parallel_size=parse_size(parallel_size),
            layers=layers,
            readers=readers,
            reader_bytes_per_second=reader_rate,
            reader_size=parse_size(reader_size),
            footprint_size=parse_size(footprint_size),
            wrk=wrk,
            keep=keep,
        )
        dialer = Dialer(timeout, insecure, ca)
        login = _credentials(username, password, password_file)
        run = Run(endpoints.parse(url), dialer, login, options, choose(scenario or ()), server_pid, directory)
        figures = _watched(run)
    except InputError as error:
        _complain(error.message)
        raise typer.Exit(_USAGE) from error
    except AnswerError as error:
        _complain(error.message)
        raise typer.Exit(1) from error
    _show(run.endpoint.url, figures, as_json=as_json)


def _credentials(username: str | None, password: str | None, password_file: Path | None) -> Credentials | None:
    if password_file is not None:
        try:
            password = password_file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read --password-file: {error}") from error
    if username is None:
        return None
    if password is None:
        raise InputError("--username needs --password-file, or HOLDFAST_BENCH_PASSWORD in the environment")
    return Credentials(username, password)


def _watched(run: Run) -> list[Figure]:
    """Run with a progress line on terminals; on Ctrl-C what is done so far is lost, what was made is removed."""
    console = Console(stderr=True)
    bar = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
        console=console, transient=True, disable=not console.is_terminal, refresh_per_second=4,
    )  # fmt: skip
    figures: list[Figure] = []
    done: set[str] = set()
    try:
        with bar:
            task = bar.add_task("connecting", total=len(run.scenarios))
            for figure in run.figures(lambda text: bar.update(task, description=text)):
                figures.append(figure)
                done.add(figure.scenario)
                bar.update(task, completed=len(done) - 0.5)
    except KeyboardInterrupt as error:
        _complain("interrupted; temporary files and load processes are gone")
        raise typer.Exit(_INTERRUPTED) from error
    return figures


def _show(url: str, figures: list[Figure], *, as_json: bool) -> None:
    record = report.as_record(url, figures)
    if as_json:
        typer.echo(json.dumps(record, indent=2))
    else:
        console = Console()
        wide = console if console.is_terminal else Console(width=_TABLE_WIDTH)
        wide.print(report.as_table(url, figures))
        for line in report.failures_of(figures):
            typer.echo(line)
    if record["failed_requests"]:
        raise typer.Exit(1)


def _complain(text: str) -> None:
    typer.echo(f"holdfast bench: {text}", err=True)
