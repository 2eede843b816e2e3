"""Every blob asked for by HTTP, and what came of each: whole and right, whole and wrong, or no whole answer."""

from __future__ import annotations

import http.client
import threading
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.digest import Digest
    from tests.asking import Asked
    from tests.scrub.damage import Kept

# A program that is started by it is on a host that nobody knows, so gateways and nodes hand each other no files.
ELSEWHERE: Final = (
    *("unshare", "--mount", "/bin/sh", "-c"),
    'mount --bind /dev/null /proc/sys/kernel/random/boot_id && exec "$@"',
    "sh",
)
_THREADS: Final = 4


class Came(Enum):
    """``NOTHING``: an error, or an answer that broke off."""

    RIGHT = auto()
    WRONG = auto()
    NOTHING = auto()


def answers(server: Asked, repository: str, kept: Sequence[Kept], kind: str = "blobs") -> dict[Digest, Came]:
    """By a few clients at a time, each on one connection for as long as that holds."""
    own, opened = threading.local(), []

    def ask(one: Kept) -> Came:
        if not hasattr(own, "connection"):
            own.connection = server.connection()
            opened.append(own.connection)
        try:
            own.connection.request("GET", f"/v2/{repository}/{kind}/{one.digest}")
            answer = own.connection.getresponse()
            data = answer.read()
        except (http.client.HTTPException, OSError):
            own.connection.close()
            return Came.NOTHING
        if answer.status == 200:
            return Came.RIGHT if data == one.data else Came.WRONG
        assert answer.status in {404, 503}, (answer.status, data)
        return Came.NOTHING

    try:
        with ThreadPoolExecutor(_THREADS) as clients:
            return dict(zip((one.digest for one in kept), clients.map(ask, kept), strict=True))
    finally:
        for connection in opened:
            connection.close()


def that(found: dict[Digest, Came], *came: Came) -> set[Digest]:
    return {digest for digest, one in found.items() if one in came}
