"""Read-your-writes across gateways: every request of the conformance suites goes to the other one of two gateways.

Three storage nodes with three copies, a real etcd, real processes throughout. ``OCI_CONFORMANCE`` may name the official program.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.processes import running
from tests.cluster.round_robin import RoundRobin
from tests.conformance.official import newest, require_all_passed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.processes import Cluster

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("two"), ("a", "b", "c"), ("g", "h")) as cluster:
        cluster.begin(*(cluster.gateway(name, sparseManifests=True) for name in ("sparse-g", "sparse-h")))
        yield cluster


@pytest.fixture(scope="module")
def sparse(cluster: Cluster) -> Iterator[RoundRobin]:
    with RoundRobin([cluster.gateways[name].host for name in ("sparse-g", "sparse-h")]) as balancer:
        yield balancer


@pytest.fixture(scope="module")
def whole(cluster: Cluster) -> Iterator[RoundRobin]:
    with RoundRobin([cluster.gateways[name].host for name in ("g", "h")]) as balancer:
        yield balancer


def is_even(balancer: RoundRobin) -> bool:
    first, second = balancer.sent.values()
    return first > 0 and abs(first - second) <= 1


@pytest.mark.slow
def test_the_official_suite_passes_with_its_requests_spread_over_two_gateways(
    sparse: RoundRobin, tmp_path: Path
) -> None:
    require_all_passed(newest(), sparse.host, tmp_path)
    assert is_even(sparse)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_our_own_cases_pass_with_their_requests_spread_over_two_gateways(
    sparse: RoundRobin, whole: RoundRobin, tmp_path: Path
) -> None:
    words = ["-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'inner'}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "--ignore=tests/conformance/test_official.py", "tests/conformance"],
        cwd=ROOT,
        env=os.environ
        | {"OCI_REGISTRY": whole.host, "OCI_SPARSE_REGISTRY": sparse.host, "OCI_STRICT": "true", "CI": "false"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert is_even(whole)
