"""``holdfast``: the program. Registers the commands, one module each in ``holdfast.ops``; holds no logic of its own."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from holdfast.ops.access import app as access
from holdfast.ops.apikey import app as apikey
from holdfast.ops.bench.command import bench
from holdfast.ops.certs import app as certs
from holdfast.ops.gateway import gateway
from holdfast.ops.gc import app as gc
from holdfast.ops.keeping.backup import backup
from holdfast.ops.keeping.compare import compare
from holdfast.ops.keeping.recover import recover
from holdfast.ops.keeping.restore import restore
from holdfast.ops.layout import app as layout
from holdfast.ops.metadata import app as metadata
from holdfast.ops.moving.exporting import export
from holdfast.ops.moving.importing import import_
from holdfast.ops.node import app as node
from holdfast.ops.repair import app as repair
from holdfast.ops.retention import app as retention
from holdfast.ops.robot import app as robot
from holdfast.ops.schema import schema
from holdfast.ops.scrub.command import scrub
from holdfast.ops.serve import serve
from holdfast.ops.status.command import status
from holdfast.ops.storagenode import storagenode
from holdfast.ops.sync import app as sync
from holdfast.ops.syncworker import syncworker
from holdfast.ops.token import app as token
from holdfast.ops.upload import app as upload
from holdfast.ops.usage import usage
from holdfast.ops.user import app as user
from holdfast.ops.verify import verify
from holdfast.ops.verifystore.command import verify_store
from holdfast.ops.whoami import whoami

app = typer.Typer(
    name="holdfast", help="A distributed OCI registry.", no_args_is_help=True, pretty_exceptions_enable=False
)
app.command()(serve)
app.command()(gateway)
app.command()(storagenode)
app.command()(syncworker)
app.command()(verify)
app.command()(schema)
app.command()(status)
app.command()(usage)
app.command()(scrub)
app.command("verify-store")(verify_store)
app.command()(backup)
app.command()(restore)
app.command()(compare)
app.command()(recover)
app.command()(bench)
app.command("import")(import_)
app.command()(export)
app.command()(whoami)
app.add_typer(node, name="node")
app.add_typer(layout, name="layout")
app.add_typer(repair, name="repair")
app.add_typer(upload, name="upload")
app.add_typer(gc, name="gc")
app.add_typer(retention, name="retention")
app.add_typer(sync, name="sync")
app.add_typer(metadata, name="metadata")
app.add_typer(certs, name="certs")
app.add_typer(user, name="user")
app.add_typer(access, name="access")
app.add_typer(token, name="token")
app.add_typer(apikey, name="apikey")
app.add_typer(robot, name="robot")


def _version(wanted: bool) -> None:
    if wanted:
        try:
            typer.echo(f"holdfast {version('holdfast')}")
        except PackageNotFoundError:
            typer.echo("holdfast, not installed")
        raise typer.Exit


@app.callback()
def _options(
    _show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A distributed OCI registry."""


def main() -> None:
    """The entry point of the ``holdfast`` script."""
    app()


if __name__ == "__main__":
    main()
