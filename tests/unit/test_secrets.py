"""A secret that is planted in a log is found, and fails the test that wrote it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import bcrypt
import jwt
import pytest

from tests import secrets

ROOT = Path(__file__).parents[2]
KEPT = "kept for the test of secrets"


def log(place: Path, text: str) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    (place / "log").write_text(json.dumps({"event": "said", "what": text}) + "\n")
    return place


@pytest.mark.parametrize(
    "text",
    [
        f"the word is {KEPT}!",
        "Authorization: Basic " + "YW5uOnNvbWV0aGluZw" + "==",
        "c29tZWJvZHk6c21hbGw",
        jwt.encode({"sub": "somebody"}, "k" * 32, "HS256"),
        bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode(),
        "-----BEGIN " + "EC PRIVATE KEY-----",
    ],
    ids=["a password", "a header", "credentials", "a token", "a hash", "a key"],
)
def test_a_planted_secret_is_found_and_not_told_on(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(secrets, "_kept", set())
    secrets.keep(KEPT)
    secrets.keep("small", "somebody")
    # Not below what is looked at when this test ends.
    place = log(Path(tmp_path_factory.mktemp("planted")) / "server", text)
    with pytest.raises(AssertionError) as found:
        secrets.require_none(place.parent)
    assert str(place / "log") in str(found.value)
    assert text not in str(found.value)
    secrets.require_none(place.parent)  # what was read is not read again, else all that come later would fail too


def test_what_is_no_secret_and_what_others_log_is_not_found(tmp_path: Path) -> None:
    log(tmp_path / "ours", "Basic realm, eyJ, $2 and a copyright")
    (tmp_path / "theirs.log").write_text("time=1 header=Basic " + "YW5uOnNvbWV0aGluZw" + "==\n")
    secrets.require_none(tmp_path)


@pytest.mark.parametrize("scope", ["function", "module"])
def test_a_run_with_a_secret_in_a_log_fails(scope: str) -> None:
    place = "tmp_path" if scope == "function" else "tmp_path_factory.mktemp('x')"
    fixture = "tmp_path" if scope == "function" else "tmp_path_factory"
    lines = [
        "import pytest",
        f"@pytest.fixture(scope={scope!r})",
        f"def written({fixture}):",
        f"    ({place} / 'log').write_text('{{\"event\": \"Basic ' + 'YW5uOnNvbWV0aGluZw==\"}}')",
        "def test_it(written):",
        "    pass",
    ]
    # Elsewhere: what is below this test's own directory is looked at when it ends.
    with tempfile.TemporaryDirectory() as made:
        (Path(made) / "test_it.py").write_text("\n".join(lines))
        argv = [
            "pytest",
            "-q",
            "-p",
            "tests.secrets",
            "--rootdir",
            made,
            "-c",
            "/dev/null",
            "--basetemp",
            f"{made}/base",
        ]
        argv = [sys.executable, "-m", *argv, f"{made}/test_it.py"]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Basic credentials" in done.stdout
