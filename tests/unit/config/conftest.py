"""Sample configurations: ours in ``samples``, others' beside the clone.

Where those are not, tests over them are skipped, except in CI.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

OURS = sorted((Path(__file__).parent / "samples").glob("*"))
SHARED = Path(__file__).parents[4] / "shared" / "configs"
SECRET_FILES = ("sessionKeys.json", "sync-auth-filepath.json", "sync-oauth2-signing.json")


def is_configuration(path: Path) -> bool:
    return (
        path.suffix in {".json", ".yaml"}
        and not path.name.endswith("-credentials.json")
        and path.name not in SECRET_FILES
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes ``sample`` runs for every sample."""
    if "sample" not in metafunc.fixturenames:
        return
    found = sorted(
        path for folder in ("seeds", "zot") for path in (SHARED / folder).glob("*") if is_configuration(path)
    )
    if found:
        metafunc.parametrize("sample", [*OURS, *found], ids=[path.name for path in (*OURS, *found)])
        return
    reason = "the folder shared/configs with the sample configurations is not beside this clone"
    marks = () if os.environ.get("CI") == "true" else pytest.mark.skip(reason=reason)
    missing = pytest.param(SHARED / "missing.json", marks=marks, id="no-samples")
    metafunc.parametrize("sample", [*(pytest.param(path, id=path.name) for path in OURS), missing])


@pytest.fixture
def secret_file() -> Callable[[str], Path]:
    def find(name: str) -> Path:
        path = SHARED / "zot" / name
        if not path.exists() and os.environ.get("CI") != "true":
            pytest.skip("the folder shared/configs with the sample secret files is not beside this clone")
        return path

    return find


@pytest.fixture
def tree(sample: Path) -> dict[str, Any]:
    """The sample as plain Python, read by other parsers than ours."""
    text = sample.read_text(encoding="utf-8")
    loaded = json.loads(text) if sample.suffix == ".json" else yaml.safe_load(text)
    assert isinstance(loaded, dict)
    return loaded
