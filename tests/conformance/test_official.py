"""The official conformance program itself, at its head.

``OCI_CONFORMANCE`` names an executable; without it, ``go install`` fetches the program into the user's cache. The commit that our
own cases are taken from (967efdc079b9) has no version that module hosts serve; this one is later and holds the same cases.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.conformance.official import PACKAGE, cache, go, verdicts

VERSION: Final = "v0.0.0-20260831232431-97274622c111"
# A run with everything switched on has several hundred cases; far fewer would mean that switches have been renamed.
_LEAST_CASES: Final = 300


@pytest.fixture(scope="module")
def program() -> Path:
    given = os.environ.get("OCI_CONFORMANCE")
    if given:
        return Path(given).absolute()
    place = cache(f"conformance-{VERSION}")
    if not (place / "conformance").exists():
        go("install", f"{PACKAGE}@{VERSION}", cwd=place, GOBIN=str(place))
    return place / "conformance"


def test_the_official_suite_passes_with_nothing_skipped(program: Path, sparse_host: str, tmp_path: Path) -> None:
    found = verdicts(
        program,
        tmp_path,
        {
            "OCI_VERSION": "dev",
            "OCI_DATA_SPARSE": "true",
            "OCI_TLS": "disabled",
            "OCI_REGISTRY": sparse_host,
            "OCI_REPO1": "official/r1",
            "OCI_REPO2": "official/r2",
            "OCI_RESULTS_DIR": str(tmp_path),
        },
    )
    assert len(found) >= _LEAST_CASES
    assert set(found.values()) == {"passed"}
    results = yaml.safe_load((tmp_path / "results.yaml").read_text())
    for part in ("apis", "data"):
        assert {name: status for name, status in results[part].items() if status != "Pass"} == {}
