"""``holdfast token inspect``: what a token says, in words, and whether it counts.

Never: prints the signature, or what ties a token of ours to a password; takes what a token says of itself for true.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.access.bearer import BearerOptions
from gateway.access.signed import opened
from holdfast import config
from holdfast.clock import SystemClock
from holdfast.errors import ConfigError, HoldfastError, LoginRefusedError
from holdfast.meta.signing import known_keys
from holdfast.meta.sqlite import SqliteStore
from holdfast.ops.children import EXIT_CONFIG
from holdfast.ops.console import refuse, show, show_json
from holdfast.ops.reach import AsJson  # noqa: TC001 - typer reads the annotations when it runs
from holdfast.ops.starting import report_refusal
from holdfast.ops.token.judging import Judge, in_words, moment
from holdfast.replicas.access import open_metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.access.signed import Opened
    from holdfast.config import Settings
    from holdfast.meta.signing import SigningKey
    from holdfast.ops.token.judging import Judgement

_TIMES: Final = {"iat": "issued", "nbf": "counts from", "exp": "ends"}
# Ties a token of ours to a password; an access claim is shown as scopes.
_HIDDEN: Final = frozenset({"by", "access", *_TIMES})
_MOST: Final = 64 * 1024


def inspect(
    token: Annotated[
        str, typer.Argument(metavar="[TOKEN|-]", help="The token; better by standard input, which no history keeps.")
    ] = "-",  # noqa: S107 - the sign for standard input
    config_file: Annotated[
        Path | None,
        typer.Option("--config", "-c", envvar="HOLDFAST_CONFIG", metavar="FILE", help="For whom it should count."),
    ] = None,
    json_output: AsJson = False,
) -> None:
    """Show what a token says, who signed it, and whether it counts for a configuration.

    Example: holdfast token inspect --config config.json < token
    """
    text = _text(token)
    try:
        found = opened(text)
    except LoginRefusedError:
        raise refuse(
            ["this is no signed token (JWT), or one that says something twice or beyond what is allowed"]
        ) from None
    judgement = _judged(text, found, config_file) if config_file is not None else None
    now = SystemClock().wall()
    if json_output:
        show_json(_as_json(found, judgement))
    else:
        _show(found, judgement, now)
    raise typer.Exit(0 if judgement is None or judgement.counts else 1)


def _text(token: str) -> str:
    if token == "-":  # noqa: S105 - the sign for standard input
        token = typer.prompt("Token", hide_input=True) if sys.stdin.isatty() else sys.stdin.read(_MOST)
    return token.strip().removeprefix("Bearer ").strip()


def _judged(text: str, found: Opened, file: Path) -> Judgement:
    try:
        settings = config.load(file)
        auth = settings.http.auth
        bearer = BearerOptions.of(auth.bearer) if auth is not None and auth.bearer is not None else None
        return Judge(bearer, functools.partial(_own, settings), SystemClock()).judge(text, found)
    except ConfigError as error:
        report_refusal(error)
        raise typer.Exit(EXIT_CONFIG) from None
    except HoldfastError as error:
        raise refuse([error.message]) from None


def _own(settings: Settings) -> Sequence[SigningKey]:
    if settings.cluster is not None and settings.cluster.etcd is not None:
        with contextlib.closing(open_metadata(settings.cluster, SystemClock())) as store:
            return known_keys(store)
    path = Path(settings.storage.root_directory).absolute() / "meta" / "holdfast.db"
    if not path.exists():
        return ()
    with contextlib.closing(SqliteStore(path, SystemClock())) as held:
        return known_keys(held)


def _scopes(found: Opened) -> list[str]:
    said = found.claims.get("access")
    rows = [row for row in said if isinstance(row, dict)] if isinstance(said, list) else []
    return [f"{row.get('type')}:{row.get('name')}:{_words(row.get('actions'))}" for row in rows]


def _words(actions: object) -> str:
    return ",".join(map(str, actions)) if isinstance(actions, list) else str(actions)


def _as_json(found: Opened, judgement: Judgement | None) -> dict[str, object]:
    said: dict[str, Any] = {name: value for name, value in found.claims.items() if name != "by"}
    told: dict[str, object] = {"header": found.header, "claims": said, "scopes": _scopes(found)}
    if judgement is not None:
        told |= {
            "signer": judgement.signer,
            "counts": judgement.counts,
            "reasons": list(judgement.reasons),
            "user": judgement.user,
            "groups": list(judgement.groups),
        }
    return told


def _show(found: Opened, judgement: Judgement | None, now: float) -> None:
    for name, value in found.header.items():
        show(f"  header {name:<10} {_plain(value)}")
    for name, value in found.claims.items():
        if name not in _HIDDEN:
            show(f"  {name:<17} {_plain(value)}")
    for name, what in _TIMES.items():
        if name in found.claims:
            at = moment(found.claims[name])
            show(f"  {what:<17} {in_words(at, now) if at is not None else 'at no time that can be read'}")
    for scope in _scopes(found):
        show(f"  {'allows':<17} {_plain(scope)}")
    _tell(judgement)


def _tell(judgement: Judgement | None) -> None:
    if judgement is None:
        show("whether it counts was not looked at; give --config")
        return
    show(f"by {judgement.signer}" if judgement.counts else f"said to be by {judgement.signer}")
    if judgement.user:
        show(f"for {judgement.user}" + (f", in {', '.join(judgement.groups)}" if judgement.groups else ""))
    show("it counts" if judgement.counts else "it does not count:")
    for reason in judgement.reasons:
        show(f"  {reason}")
    if judgement.note:
        show(judgement.note)


def _plain(value: object) -> str:
    """On one line, with nothing in it that moves a terminal's cursor."""
    return value if isinstance(value, str) and value.isprintable() else json.dumps(value)
