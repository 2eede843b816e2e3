"""``holdfast apikey end``: what an operator does with a key that was found where it should not be, whosever it is."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from holdfast.access.keytext import is_key_id, key_id_of
from holdfast.errors import RequestInvalidError
from holdfast.ops import console
from holdfast.ops.accounts import ConfigFile, reached


def end(
    key_id: Annotated[
        str, typer.Argument(metavar="ID|-", help="Its id: hfk_ID_… ; or - and the key itself on standard input.")
    ],
    config: ConfigFile = None,
) -> None:
    """End anybody's API key, over the metadata of the configuration's registry: for operators, when one has leaked.

    Example: holdfast apikey end 3f9c2a71d0b44e86
    """
    with reached(config) as found:
        wanted = key_id_of(sys.stdin.readline().strip()) if key_id == "-" else key_id
        if wanted is None or not is_key_id(wanted):
            raise RequestInvalidError("that is no API key, and no id of one")
        ended = found.api_keys.remove_anybodys(wanted)
        if ended is None:
            raise RequestInvalidError(f"there is no API key {wanted}")
        found.note("apikey end", f"apikey:{wanted}")
    console.show(f"{wanted} of {ended.owner} is revoked")
