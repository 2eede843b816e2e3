"""What a backup costs, and a restore: seconds of the clock and of a core, bytes.

.venv/bin/python -m tests.bench.backups --links 300000
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.clock import SystemClock
from holdfast.meta import keys
from holdfast.meta.keeping import file
from holdfast.meta.keeping.making import backed_up
from holdfast.meta.keeping.restoring import restored
from holdfast.meta.records import LinkRecord
from holdfast.meta.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator

LINKS_AN_IMAGE = 8


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--links", type=int, default=300_000)
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        directory = Path(name)
        with contextlib.closing(SqliteStore(directory / "one.db", SystemClock())) as store:
            store.replace(sorted(pairs(options.links)), 1)
            with timed("backup"):
                made = backed_up(store, directory / "b", "bench", SystemClock())
        print(f"{made.keys} keys, {made.size_bytes / 1e6:.0f} MB; the file has {made.file_bytes / 1e6:.0f} MB")
        with timed("verify"):
            file.verified(made.path)
        with contextlib.closing(SqliteStore(directory / "two.db", SystemClock())) as store, timed("restore"):
            store.replace(restored(made), made.header.revision)


def pairs(links: int) -> Iterator[tuple[bytes, bytes]]:
    yield keys.CLUSTER_ID, b"bench" * 4
    for number in range(links):
        digest = hashlib.sha256(b"%d" % number)
        repository = f"team{number % 97}/app{number // LINKS_AN_IMAGE % 1009}"
        spelled = f"sha256:{digest.hexdigest()}"
        value = LinkRecord(number, digest.digest()[:16], 1.8e9, "pushed").encode()
        yield f"link/{repository}//{spelled}".encode(), value
        yield f"holder/{digest.hexdigest()[:3]}/{spelled}//{repository}".encode(), value
        if number % LINKS_AN_IMAGE == 0:
            yield f"manifest/{repository}//{spelled}".encode(), digest.digest() * 2 * LINKS_AN_IMAGE
            yield f"tag/{repository}//v{number}".encode(), digest.digest() * 2


@contextlib.contextmanager
def timed(what: str) -> Iterator[None]:
    wall, core = time.monotonic(), time.process_time()
    yield
    print(f"{what}: {time.monotonic() - wall:.1f} s, {time.process_time() - core:.1f} s of a core")


if __name__ == "__main__":
    main()
