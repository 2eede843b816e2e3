"""``holdfast``: the program. Names the commands, one module each in ``holdfast.ops``; holds no logic of its own.

Only the module of the command that is called is imported.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Final

import typer

from holdfast.ops.lazily import Late, LateGroup

COMMANDS: Final = {
    "serve": Late("holdfast.ops.serve:serve", "Run the whole registry on this machine until SIGTERM."),
    "gateway": Late(
        "holdfast.ops.gateway:gateway",
        "Run a gateway of a cluster until SIGTERM. It keeps nothing: start as many as are needed, behind a load balancer.",
    ),
    "storagenode": Late("holdfast.ops.storagenode:storagenode", "Run one storage node of a cluster until SIGTERM."),
    "syncworker": Late(
        "holdfast.ops.syncworker:syncworker",
        "Run a sync worker of a cluster until SIGTERM. It keeps nothing; what one has begun another goes on with.",
    ),
    "verify": Late("holdfast.ops.verify:verify", "Check a configuration; report every fault at once."),
    "schema": Late("holdfast.ops.schema:schema", "Print the JSON Schema of the configuration."),
    "status": Late(
        "holdfast.ops.status.command:status",
        "Say whether the cluster is well, and what needs somebody if it is not. Exit 1 then.",
    ),
    "usage": Late("holdfast.ops.usage:usage", "Show what repositories and namespaces hold."),
    "scrub": Late(
        "holdfast.ops.scrub.command:scrub",
        "Have nodes read all their copies again now, to find what has rotted or is gone.",
    ),
    "verify-store": Late(
        "holdfast.ops.verifystore.command:verify_store",
        "Check the directory of a storage node that is stopped; change nothing.",
    ),
    "backup": Late(
        "holdfast.ops.keeping.backup:backup",
        "Write the metadata of a running or stopped registry into one file, as of one moment.",
    ),
    "restore": Late(
        "holdfast.ops.keeping.restore:restore",
        "Put the metadata of a backup in place of what is there. The registry must be stopped.",
    ),
    "compare": Late(
        "holdfast.ops.keeping.compare:compare",
        "Compare names with what storage nodes hold: is anything missing, and what has no name?",
    ),
    "recover": Late(
        "holdfast.ops.keeping.recover:recover",
        "Make the metadata anew from what storage nodes hold: the last resort, when no backup is left.",
    ),
    "bench": Late(
        "holdfast.ops.bench.command:bench",
        "Put load on any OCI registry and tell what it did: throughput, latencies, and the server's memory and CPU if local.",
    ),
    "import": Late(
        "holdfast.ops.moving.importing:import_",
        "Import images from a directory that zot, distribution or another tool filled, or from a registry that runs.",
    ),
    "export": Late(
        "holdfast.ops.moving.exporting:export",
        "Write repositories as OCI layouts: DIR/REPOSITORY is one that skopeo, oras, podman and `holdfast import` read.",
    ),
    "whoami": Late(
        "holdfast.ops.whoami:whoami",
        "Say whom a registry takes you for. Without --user and without docker's login: what anybody may.",
    ),
    "node": Late("holdfast.ops.node:app", "The storage nodes of the cluster."),
    "layout": Late(
        "holdfast.ops.layout:app",
        "Which storage nodes hold which part of the data. Nothing is stored before a first layout is applied.",
    ),
    "repair": Late(
        "holdfast.ops.repair:app",
        "Comparing copies between nodes and making those that are missing. Runs by itself; here it can be asked for.",
    ),
    "upload": Late(
        "holdfast.ops.upload:app",
        "Uploads that have not become blobs yet. Between processes that speak TLS it wants a certificate of the role ops.",
    ),
    "gc": Late(
        "holdfast.ops.gc:app",
        "Garbage collection: now, and what it asks an operator. In a cluster with TLS it wants a certificate of the role ops.",
    ),
    "retention": Late("holdfast.ops.retention:app", "What repositories keep, by storage.retention."),
    "sync": Late(
        "holdfast.ops.sync:app",
        "What is mirrored from other registries and to them. Between processes that speak TLS, status wants a certificate of the"
        " role ops.",
    ),
    "metadata": Late(
        "holdfast.ops.metadata:app", "The metadata of a cluster: upkeep, where it comes from, and who may work on it."
    ),
    "certs": Late("holdfast.ops.certs:app", "Certificates for mutual TLS between the processes of a cluster."),
    "user": Late(
        "holdfast.ops.user:app",
        "The users in a password file (http.auth.htpasswd.path). A running registry follows the file.",
    ),
    "access": Late("holdfast.ops.access:app", "What the rules of http.accessControl mean, without asking a registry."),
    "token": Late("holdfast.ops.token:app", "What a token says, and whether it counts."),
    "apikey": Late("holdfast.ops.apikey:app", "Your API keys at a registry (http.auth.apikey)."),
    "robot": Late("holdfast.ops.robot:app", "Accounts of programs, each limited to one namespace."),
}


class _Commands(LateGroup):
    late = COMMANDS


app = typer.Typer(
    name="holdfast",
    help="A distributed OCI registry.",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


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
