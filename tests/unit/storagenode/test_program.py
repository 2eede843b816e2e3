"""``python -m storagenode``: what it refuses before it touches the directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storagenode.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path

EXIT_CONFIG = 78


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--listen", "10.0.0.5:5100"], "holdfast certs"),
        (["--listen", "127.0.0.1:0", "--ca-file", "ca", "--cert-file", "crt"], "go together"),
        (
            ["--listen", "10.0.0.5:5100", "--ca-file", "ca", "--cert-file", "crt", "--key-file", "key"],
            "ca cannot be read",
        ),
    ],
    ids=["plaintext beyond loopback", "two files of three", "files that are not there"],
)
def test_a_node_that_cannot_be_trusted_does_not_start(
    tmp_path: Path, arguments: list[str], why: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    log = str(tmp_path / "log")
    assert main(["--data-dir", str(tmp_path / "data"), "--log-output", log, *arguments]) == EXIT_CONFIG
    assert why in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
