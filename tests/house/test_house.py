"""The house keeps its own laws (ARCHITECTURE §6), as far as a program can see."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("holdfast", "gateway", "storagenode", "syncworker")
MODULES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py") if "_pb2" not in p.name)
DRAWERS = {"utils", "common", "helpers", "manager", "base", "misc"}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [p for p in MODULES if p.name != "__init__.py" or p.stat().st_size], ids=named)
def test_a_module_opens_with_what_it_promises(path: Path) -> None:
    assert ast.get_docstring(tree(path)), "no module docstring"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_assert_guards_running_code_and_nothing_is_left_to_do(path: Path) -> None:
    assert not [n.lineno for n in ast.walk(tree(path)) if isinstance(n, ast.Assert)]
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", path.read_text(encoding="utf-8"))


def test_no_drawers() -> None:
    assert not [named(p) for p in MODULES if p.stem in DRAWERS]


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_foreign_libraries_live_behind_their_adapters(path: Path) -> None:
    name = named(path)
    found = imported(path)
    if not (name.startswith("gateway/http/") or name in {"gateway/app.py", "gateway/assembly.py", "gateway/server.py"}):
        assert "falcon" not in found
    if not (
        name.startswith(("holdfast/rpc/", "holdfast/wire/", "holdfast/meta/etcd/"))
        or name
        in {f"{service}/{part}.py" for service in ("storagenode", "syncworker") for part in ("servicer", "server")}
    ):
        assert "grpc" not in found
    if name != "holdfast/meta/sqlite.py" and not name.startswith("holdfast/meta/sqlite"):
        assert "sqlite3" not in found
    if not name.startswith("holdfast/certs/"):
        assert "cryptography" not in found
    if name != "holdfast/patterns/expressions.py":
        assert "re2" not in found
    if not name.startswith("holdfast/meta/etcd/"):
        assert "pyetcd" not in found
    if name not in {f"gateway/{part}.py" for part in ("worker", "incoming", "response", "refusals", "server")}:
        assert "gunicorn" not in found
    if name not in {"syncworker/upstream/connections.py", "syncworker/upstream/exchange.py"}:
        assert "urllib3" not in found
    assert not found & {"pickle", "shelve", "marshal"}


def test_what_is_linked_is_written_where_it_is_counted() -> None:
    writes = re.compile(r"(?:Put|Delete)\(keys\.(?:link|holder|usage|usage_of|repository)\(")
    writers = {named(p) for p in MODULES if writes.search(p.read_text(encoding="utf-8"))}
    assert writers == {"holdfast/meta/counting.py"}


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_shell(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            assert not any(k.arg == "shell" and getattr(k.value, "value", None) is True for k in node.keywords)
