"""``python -m storagenode``: one storage node as a process of its own, for whoever supervises it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from holdfast.errors import HoldfastError
from storagenode.options import NodeOptions
from storagenode.server import run


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop. 0: stopped in order; 2: could not start."""
    parsed = _parser().parse_args(arguments)
    try:
        options = NodeOptions(
            data_dir=parsed.data_dir,
            listen=parsed.listen,
            cluster_id=parsed.cluster_id,
            reserve_bytes=parsed.reserve_bytes,
            upload_expiry_seconds=parsed.upload_expiry_seconds,
        )
        run(options, parsed.parent_pipe)
    except HoldfastError as error:
        sys.stderr.write(f"storagenode: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="storagenode", description="One storage node on one data directory.")
    parser.add_argument("--data-dir", type=Path, required=True, help="belongs to this node alone")
    parser.add_argument("--listen", required=True, help="unix:/path/node.sock or host:port")
    parser.add_argument("--cluster-id", default="local")
    parser.add_argument("--reserve-bytes", type=int, default=256 << 20, help="free space that is never used")
    parser.add_argument("--upload-expiry-seconds", type=float, default=24 * 3600.0)
    parser.add_argument("--parent-pipe", type=int, help="a descriptor; the node stops when its other end is closed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
