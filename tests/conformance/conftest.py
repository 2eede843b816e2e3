"""The registry under test, and names of its repositories that no other test uses.

``OCI_REGISTRY=host:port`` aims the cases at a registry that runs already, ours or another one; without it, one is started.
``OCI_SPARSE_REGISTRY`` names the one for manifests whose content is not there, ``OCI_STRICT=true`` says that it is ours.
"""

from __future__ import annotations

import itertools
import os
import secrets
from typing import TYPE_CHECKING, Final

import pytest

from tests.conformance.oci import Client
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

_RUN: Final = secrets.token_hex(4)
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def host(request: pytest.FixtureRequest) -> str:
    """``host:port`` of a registry with the settings it comes with."""
    return os.environ.get("OCI_REGISTRY") or str(request.getfixturevalue("registry").host)


@pytest.fixture(scope="session")
def sparse_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``host:port`` of a registry that takes manifests whose content is not there."""
    outside = os.environ.get("OCI_SPARSE_REGISTRY") or os.environ.get("OCI_REGISTRY")
    if outside:
        yield outside
        return
    with serving(tmp_path_factory.mktemp("sparse"), http={"sparseManifests": True}) as server:
        yield server.host


@pytest.fixture
def client(host: str) -> Iterator[Client]:
    client = Client(host, strict="OCI_REGISTRY" not in os.environ or os.environ.get("OCI_STRICT") == "true")
    yield client
    client.close()


@pytest.fixture
def repo() -> str:
    """A repository that has never been pushed to."""
    return f"conformance/{_RUN}/r{next(_numbers)}"


@pytest.fixture
def repo2() -> str:
    """Another one, to mount from."""
    return f"conformance/{_RUN}/from{next(_numbers)}"
