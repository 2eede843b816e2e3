"""The measurement of what access control costs still runs and gives every figure; how good they are is for whoever measures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[1] / "bench" / "access.py"


def test_the_measurement_of_access_gives_every_figure(tmp_path: Path) -> None:
    argv = [sys.executable, str(PROGRAM), "--quick", "--rounds", "1", "--ours", "--directory", str(tmp_path)]
    done = subprocess.run([*argv, "--json", str(tmp_path / "figures")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    values = json.loads((tmp_path / "figures").read_text())["values"]
    assert len(values) == 5
    assert all(value >= 0 for subject in values.values() for found in subject.values() for value in found)
    assert values["logins that failed"] == {"10,000 users, 500 policies": [0]}
