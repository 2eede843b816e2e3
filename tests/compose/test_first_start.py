"""What a cluster needs once: certificates, each process its own, and a layout if there never was one."""

from __future__ import annotations

import importlib.util
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients.programs import need_root
from tests.compose.ingredients import ROOT

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


@pytest.fixture
def first_start(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, as a module, for which no time passes."""
    spec = importlib.util.spec_from_file_location("first_start", ROOT / "compose" / "first_start.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where dataclasses look up what their annotations mean.
    monkeypatch.setitem(sys.modules, "first_start", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.0)
    return module


@pytest.fixture
def homes(tmp_path: Path) -> tuple[Path, Path]:
    """The authority's, and above those of the processes."""
    need_root()
    for name in ("authority", "tls/store-1", "tls/etcd-1", "tls/layout"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path / "authority", tmp_path / "tls"


PROCESSES = ["node:store-1", "etcd:etcd-1", "ops:layout"]


def contents(below: Path) -> dict[str, bytes]:
    return {str(path.relative_to(below)): path.read_bytes() for path in below.rglob("*") if path.is_file()}


def test_each_process_finds_its_own_and_the_authority_keeps_no_other_key(
    first_start: ModuleType, homes: tuple[Path, Path], tmp_path: Path
) -> None:
    authority, tls = homes
    first_start.prepare([tmp_path / "data"], PROCESSES, "west", authority, tls)
    assert set(contents(authority)) == {"ca.crt", "ca.key"}
    for name in ("store-1", "etcd-1", "layout"):
        assert set(contents(tls / name)) == {"ca.crt", "process.crt", "process.key"}
        assert {(p.stat().st_uid, p.stat().st_mode & 0o777) for p in (tls / name).iterdir()} == {(10001, 0o600)}
    assert ((tmp_path / "data").stat().st_uid, (tmp_path / "data").stat().st_mode & 0o777) == (10001, 0o700)
    shown = json.loads(first_start.must("certs", "show", "--json", str(tls / "store-1" / "process.crt")))[0]
    assert (shown["cluster"], shown["role"], shown["hosts"]) == ("west", "node", ["store-1", "localhost", "127.0.0.1"])


def test_a_second_time_changes_nothing(first_start: ModuleType, homes: tuple[Path, Path], tmp_path: Path) -> None:
    first_start.prepare([tmp_path / "data"], PROCESSES, "west", *homes)
    before = contents(tmp_path)
    first_start.prepare([tmp_path / "data"], PROCESSES, "west", *homes)
    assert contents(tmp_path) == before


def test_what_ends_soon_or_is_of_another_authority_is_made_anew(
    first_start: ModuleType, homes: tuple[Path, Path], tmp_path: Path
) -> None:
    authority, tls = homes
    first_start.prepare([], PROCESSES, "west", authority, tls)
    before = contents(tls)
    first_start.must("certs", "issue", str(authority), "short", "--host", "store-1", "--days", "30")
    first_start.hand_over(authority / "short.crt", tls / "store-1" / "process.crt")
    (tls / "etcd-1" / "ca.crt").write_text("another")
    first_start.prepare([], PROCESSES, "west", authority, tls)
    changed = {name for name, content in contents(tls).items() if content != before[name]}
    assert changed == {f"{name}/process.{kind}" for name in ("store-1", "etcd-1") for kind in ("crt", "key")}


class Said:
    """Answers in the place of ``holdfast``, the last one again and again; and what was asked."""

    def __init__(self, done: Any, **answers: list[Any]) -> None:
        self.done, self.answers, self.asked = done, answers, []

    def __call__(self, *words: str) -> Any:
        self.asked.append(words)
        answers = self.answers[words[1]]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return self.done(1, "", "not now") if answer is None else self.done(0, json.dumps(answer), "")


def test_the_first_layout_waits_for_all_nodes(first_start: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    said = Said(first_start.Done, history=[None, []], plan=[None, {"nodes": [1, 2]}, {"nodes": [1, 2, 3]}], apply=[{}])
    monkeypatch.setattr(first_start, "holdfast", said)
    assert first_start.main(["layout", "--nodes=3", "--replicas=2", "--write-quorum=1"]) == 0
    assert [words[1] for words in said.asked] == ["history", "history", "plan", "plan", "plan", "apply"]
    assert said.asked[-1] == ("layout", "apply", "--yes", "--replicas", "2", "--write-quorum", "1")


def test_a_layout_that_is_there_stays(first_start: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    said = Said(first_start.Done, history=[[{"version": 7}]])
    monkeypatch.setattr(first_start, "holdfast", said)
    assert first_start.main(["layout", "--nodes=3"]) == 0
    assert len(said.asked) == 1


def test_nodes_that_do_not_come_are_not_waited_for_for_ever(
    first_start: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(first_start, "holdfast", Said(first_start.Done, history=[[]], plan=[{"nodes": [1, 2]}]))
    monkeypatch.setattr(first_start, "_WAIT_SECONDS", 0.0)
    assert first_start.main(["layout", "--nodes=3"]) == 1
    assert "fewer than 3 storage nodes" in capsys.readouterr().err
