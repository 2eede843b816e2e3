"""How the operator's commands reach robots and API keys in the metadata, and how what they do gets into the audit log.

Promises: on one machine and in a cluster alike; a change is in ``log.audit`` with the name of who is at the machine, or is not made
when that file cannot be opened.

Never: makes a metadata file where there is none, or leaves a connection open behind a command.
"""

from __future__ import annotations

import contextlib
import getpass
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from gateway.access.audit import AuditLog
from gateway.access.gate import Caller
from gateway.access.ways import Proven
from holdfast.access import robots
from holdfast.access.conditions import Facts
from holdfast.access.identity import Identity, Way
from holdfast.clock import SystemClock
from holdfast.errors import ConfigError, HoldfastError
from holdfast.meta.apikeys import ApiKeyBook
from holdfast.meta.robots import RobotBook
from holdfast.meta.uses import UseTimes
from holdfast.ops.children import EXIT_CONFIG
from holdfast.ops.reach import DEFAULT_FILE
from holdfast.ops.registry import configuration, metadata
from holdfast.ops.starting import report_refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.access.robots import RobotName
    from holdfast.meta.store import Store

ConfigFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="HOLDFAST_CONFIG",
        metavar="FILE",
        help="Configuration, as serve or the gateways have it.",
        show_default=str(DEFAULT_FILE),
    ),
]
Named: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAMESPACE/NAME", help="Such as team/ci, or its user name: robot$team+ci.")
]


@dataclass(frozen=True, slots=True)
class AccountsAccess:
    """Robots and keys, when they were used, and where a change is noted."""

    robots: RobotBook
    api_keys: ApiKeyBook
    times: UseTimes
    audit: AuditLog
    store: Store

    def note(self, what: str, name: str) -> None:
        """One line of the audit log: who is at the machine did this."""
        who = Caller(Proven(Identity(operator(), Way.OPERATOR)), Facts(client_address="local"))
        self.audit.note(who, what, name, "200")


@contextlib.contextmanager
def reached(path: Path | None) -> Iterator[AccountsAccess]:
    """For the length of a command."""
    with contextlib.ExitStack() as stack:
        try:
            settings = configuration(path)
            audit = AuditLog(Path(settings.log.audit) if settings.log.audit else None, SystemClock())
            stack.callback(audit.close)
            store = stack.enter_context(contextlib.closing(metadata(settings)))
        except ConfigError as error:
            report_refusal(error)
            raise typer.Exit(EXIT_CONFIG) from None
        try:
            yield AccountsAccess(RobotBook(store, _new_id), ApiKeyBook(store, _new_id), UseTimes(store), audit, store)
        except HoldfastError as error:
            typer.echo(f"holdfast: {error.message}", err=True)
            raise typer.Exit(1) from error


def named(text: str) -> RobotName:
    """Raises NameInvalidError, RequestInvalidError."""
    return robots.of_path(text)


def _new_id() -> bytes:
    return os.urandom(16)


def operator() -> str:
    """Who is at the machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
