"""Generate the Python modules of every .proto below this folder, or check that the committed ones are up to date.

    python proto/generate.py           write them
    python proto/generate.py --check   exit 1 and name the files that differ; changes nothing

Only messages are generated (``_pb2.py``, ``_pb2.pyi``); gRPC methods are bound by hand in ``holdfast.rpc``. A .proto's
path mirrors the package that its module lands in, so the imports that protoc writes are right as they are.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

PROTO_ROOT = Path(__file__).resolve().parent
REPOSITORY_ROOT = PROTO_ROOT.parent
SUFFIXES = ("_pb2.py", "_pb2.pyi")


def sources() -> list[Path]:
    """Every .proto, relative to its root, in one order: the output does not depend on the file system."""
    return sorted(path.relative_to(PROTO_ROOT) for path in PROTO_ROOT.rglob("*.proto"))


def outputs() -> list[Path]:
    """What must exist, relative to the repository."""
    return [source.with_name(source.stem + suffix) for source in sources() for suffix in SUFFIXES]


def generate(target: Path) -> None:
    """Run protoc once for each source.

    Raises:
        SystemExit: protoc refused a source; its own message has been printed.
    """
    builtin = Path(grpc_tools.__file__).parent / "_proto"
    for source in sources():
        arguments = [
            "protoc",
            f"-I{PROTO_ROOT}",
            f"-I{builtin}",
            f"--python_out={target}",
            f"--pyi_out={target}",
            str(source),
        ]
        if protoc.main(arguments) != 0:
            sys.exit(f"protoc refused {source}")


def differing() -> list[Path]:
    """Committed modules that differ from fresh ones, are missing, or have lost their source."""
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        changed = [path for path in outputs() if _bytes(REPOSITORY_ROOT / path) != _bytes(Path(scratch) / path)]
    folders = {path.parent for path in outputs()}
    kept = {
        path.relative_to(REPOSITORY_ROOT) for folder in folders for path in (REPOSITORY_ROOT / folder).glob("*_pb2.py*")
    }
    return sorted({*changed, *(kept - set(outputs()))})


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Generate Python modules from .proto files.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail when the committed modules differ")
    if not parser.parse_args().check:
        generate(REPOSITORY_ROOT)
        return 0
    stale = differing()
    for path in stale:
        print(f"{path} is not what its .proto says: run `make proto`", file=sys.stderr)  # noqa: T201 - a command speaks
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
