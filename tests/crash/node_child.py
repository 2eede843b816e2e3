"""A storage node that kills itself: ``python -m tests.crash.node_child DATA_DIR LISTEN [OPERATION:PART_OF_PATH]``.

With a third argument the process sends itself SIGKILL just before the first change of the disk that matches, once the node is up.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from storagenode.options import NodeOptions
from storagenode.server import run
from tests.fakes.files import HookedFiles


def main() -> None:
    data_dir, listen, *point = sys.argv[1:]
    files = HookedFiles()
    if point:
        operation, _, part = point[0].partition(":")

        def before(found: str, path: str) -> None:
            if found == operation and part in path:
                os.kill(os.getpid(), signal.SIGKILL)

        files.before = before
    run(NodeOptions(Path(data_dir), listen, reserve_bytes=0), files)


if __name__ == "__main__":
    main()
