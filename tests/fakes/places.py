"""Where in an object store one test's blobs are, whoever serves it."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter

from holdfast.config.drivers import StorageDriver
from storagenode.objects import keys
from storagenode.objects.driver import open_bucket

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from holdfast.digest import Digest
    from storagenode.objects.bucket import Bucket

# Without a hyphen: the client for Google's escapes one, and moto takes names as they come.
BUCKET: Final = "holdfasttests"
# As patient as the real thing with requests that fail, and much quicker.
RETRY: Final = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {"init_backoff": timedelta(milliseconds=5), "max_backoff": timedelta(milliseconds=50), "base": 2},
}
_DRIVERS: Final = TypeAdapter[StorageDriver](StorageDriver)


class Prefix:
    """``driver``: as in a configuration; ``environment``: what a process needs to be told beside it."""

    driver: Mapping[str, Any]
    environment: Mapping[str, str] = {}

    def bucket(self) -> Bucket:
        with self.told():
            return open_bucket(_DRIVERS.validate_python(self.driver), RETRY)

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """For the length of a block this process, and what it starts, has that environment."""
        before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    def data_of(self, digest: Digest) -> list[str]:
        """Keys of the bytes of each copy."""
        return [keys.parse(found.key).data for found in self.bucket().list(keys.of_digest(digest))]

    def damage(self, digest: Digest, data: bytes) -> None:
        (key,) = self.data_of(digest)
        self.bucket().put(key, data)


@dataclass(frozen=True)
class Rented(Prefix):
    """On a server that is a program of its own."""

    driver: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
