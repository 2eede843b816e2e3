"""The official conformance programs: fetched by name and version, kept in the user's cache, and asked for their verdict.

Nothing of them is kept in this repository. What the Go toolchain refuses to fetch is a reason to skip, told in its own words (with
CI=true a failure): the cases themselves are all in this directory as tests of ours, which never skip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml

from tests.clients.programs import lacking

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE: Final = "github.com/opencontainers/distribution-spec/conformance"
# The commit that our own cases are taken from (967efdc079b9) has no version that module hosts serve; this one is later and holds
# the same cases.
VERSION: Final = "v0.0.0-20260831232431-97274622c111"
# A run with everything switched on has several hundred cases; far fewer would mean that switches have been renamed.
_LEAST_CASES: Final = 300
# Compiling takes seconds, an unreachable module host may take until its time-out.
_FETCH_SECONDS: Final = 120
_RUN_SECONDS: Final = 120


def cache(name: str) -> Path:
    """A directory of ours in the user's cache (XDG Base Directory Specification)."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    place = Path(root) / "holdfast-tests" / name
    place.mkdir(parents=True, exist_ok=True)
    return place


def go(*arguments: str, cwd: Path, **environ: str) -> None:
    """Run the Go toolchain, or skip the test (with CI=true: fail it) with what it says."""
    if shutil.which("go") is None:
        lacking("there is no Go toolchain to fetch the official conformance program with")
    try:
        done = subprocess.run(
            ["go", *arguments],
            cwd=cwd,
            env=os.environ | environ,
            capture_output=True,
            text=True,
            timeout=_FETCH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        lacking(f"go {' '.join(arguments)}: no answer within {_FETCH_SECONDS} seconds")
    if done.returncode:
        lacking(f"go {' '.join(arguments)}: {done.stderr.strip()}")


def verdicts(program: Path, results: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Run a program that writes ``junit.xml`` into ``results``; every case's name and status, "passed" where all is well."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OCI_")}
    done = subprocess.run(
        [program],
        cwd=results,
        env=inherited | environ,
        capture_output=True,
        text=True,
        timeout=_RUN_SECONDS,
        check=False,
    )
    report = results / "junit.xml"
    assert report.exists(), done.stdout[-4000:] + done.stderr[-4000:]
    cases = ET.parse(report).iter("testcase")
    found = {str(case.get("name")): str(case.get("status")) for case in cases}
    bad = {name: status for name, status in found.items() if status not in ("passed", "skipped")}
    assert not bad, f"{bad}\n{done.stdout[-6000:]}"
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return found


def newest() -> Path:
    """The program at its head: the executable that ``OCI_CONFORMANCE`` names, or fetched by ``go install``."""
    given = os.environ.get("OCI_CONFORMANCE")
    if given:
        return Path(given).absolute()
    place = cache(f"conformance-{VERSION}")
    if not (place / "conformance").exists():
        go("install", f"{PACKAGE}@{VERSION}", cwd=place, GOBIN=str(place))
    return place / "conformance"


def require_all_passed(program: Path, host: str, results: Path) -> None:
    """Run the program at its head with everything switched on: each case passes, none is skipped."""
    found = verdicts(
        program,
        results,
        {
            "OCI_VERSION": "dev",
            "OCI_DATA_SPARSE": "true",
            "OCI_TLS": "disabled",
            "OCI_REGISTRY": host,
            "OCI_REPO1": "official/r1",
            "OCI_REPO2": "official/r2",
            "OCI_RESULTS_DIR": str(results),
        },
    )
    assert len(found) >= _LEAST_CASES
    assert set(found.values()) == {"passed"}
    told = yaml.safe_load((results / "results.yaml").read_text())
    for part in ("apis", "data"):
        assert {name: status for name, status in told[part].items() if status != "Pass"} == {}
