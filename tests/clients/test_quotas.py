"""What people read when they push more than they may."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.clients.images import KIB
from tests.clients.test_docker import load
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.clients.engines import Docker
    from tests.clients.images import Image
    from tests.clients.programs import Program
    from tests.serving import Server


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("limited")
    storage = {"rootDirectory": str(root / "data"), "quotas": {"team/**": "16KiB"}, "maxRepos": 1}
    with serving(root / "registry", storage=storage) as server:
        yield server


def test_docker_says_at_once_which_limit_is_reached(
    limited: Server, docker: Docker, skopeo: Program, image: Callable[..., Image]
) -> None:
    large = load(skopeo, docker, image(layer_bytes=64 * KIB), f"{limited.host}/team/app:v1")
    refused = docker.call.try_("push", large)
    assert refused.code != 0
    assert "denied: the quota of team/** is 16,384 bytes, of which 0 are used" in refused.err + refused.out
    small = load(skopeo, docker, image(layer_bytes=4 * KIB), f"{limited.host}/free/app:v1")
    docker.call("push", small)
    docker.call("tag", small, f"{limited.host}/free/second:v1")
    refused = docker.call.try_("push", f"{limited.host}/free/second:v1")
    assert refused.code != 0
    assert "denied: there are 1 repositories and may be no more" in refused.err + refused.out
