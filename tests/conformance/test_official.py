"""The official conformance program itself, at its head.

``OCI_CONFORMANCE`` names an executable; without it, ``go install`` fetches the program into the user's cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.official import newest, require_all_passed

if TYPE_CHECKING:
    from pathlib import Path


def test_the_official_suite_passes_with_nothing_skipped(sparse_host: str, tmp_path: Path) -> None:
    require_all_passed(newest(), sparse_host, tmp_path)
