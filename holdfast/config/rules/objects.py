"""Rules of ``storageDriver``: what an object store needs to be told, and what of zot's keys cannot be done here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.config.drivers import S3, Azure, Gcs
from holdfast.config.rules.finding import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.config.faults import Steps
    from holdfast.config.settings import Settings

# S3 takes no smaller part of an upload, the last one excepted.
_LEAST_PART_BYTES: Final = 5 << 20

_Words = tuple[str, str, str]


def object_stores_are_complete(settings: Settings) -> Iterator[Finding]:
    for route, store in settings.storage.stores.items():
        driver = store.storage_driver
        if driver is None:
            continue
        at: Steps = ("storage", "subPaths", route) if route else ("storage",)
        yield from _local_directory(settings, route, store.root_directory, at)
        for key, message, remedy in _judged(driver):
            yield Finding((*at, "storageDriver", *key.split(".")), message, remedy, reads=((*at, "storageDriver"),))


def _local_directory(settings: Settings, route: str, root: str, at: Steps) -> Iterator[Finding]:
    in_cluster = settings.cluster is not None and settings.cluster.etcd is not None
    if not root and not (in_cluster and not route):
        yield Finding(
            (*at, "rootDirectory"),
            "not given: `holdfast serve` refuses it, for names and uploads on their way are kept in a local directory",
            'write a directory, such as "/var/lib/holdfast"; uploads need room in it until they are complete',
            reads=((*at, "storageDriver"), ("cluster", "etcd")),
            warning=True,
        )


def _judged(driver: S3 | Gcs | Azure) -> Iterator[_Words]:
    """Keys, what is wrong with them, what to do."""
    if isinstance(driver, S3):
        yield from _s3(driver)
    elif isinstance(driver, Azure):
        yield from _azure(driver)
    elif not driver.bucket:
        yield "bucket", "missing", "name the bucket"


def _s3(driver: S3) -> Iterator[_Words]:
    if not driver.bucket:
        yield "bucket", "missing", "name the bucket"
    if (driver.access_key is None) != (driver.secret_key is None):
        missing = "accesskey" if driver.access_key is None else "secretkey"
        yield missing, "missing: the two keys go together", "give both, or neither: then the environment's are used"
    if not driver.v4_auth:
        yield "v4auth", "signatures of version 2 are not made here", "remove it"
    if driver.accelerate:
        yield "accelerate", "transfer acceleration is not used here", "remove it"
    if driver.object_acl not in {"", "private"}:
        yield (
            "objectacl",
            "objects are made with the bucket's own rules, no ACL is sent",
            "remove it, and give rights by a policy of the bucket",
        )
    if driver.chunk_size is not None and driver.chunk_size < _LEAST_PART_BYTES:
        yield "chunksize", f"S3 takes no part below {_LEAST_PART_BYTES} bytes", "write more, or remove it"
    if (driver.use_dual_stack or driver.use_fips_endpoint) and (driver.region_endpoint or not driver.region):
        key = "usedualstack" if driver.use_dual_stack else "usefipsendpoint"
        yield key, "such an endpoint is chosen by the region", "give a region and no regionendpoint"


def _azure(driver: Azure) -> Iterator[_Words]:
    if not driver.account_name:
        yield "accountname", "missing", "name the storage account"
    if not driver.container:
        yield "container", "missing", "name the container"
    credentials = driver.credentials
    kind = credentials.type if credentials is not None else ""
    if kind in {"", "shared_key"} and driver.account_key is None:
        yield "accountkey", "missing", 'give the key, or credentials of the type "default_credentials"'
    if kind == "client_secret" and credentials is not None:
        given = {
            "tenantid": credentials.tenant_id,
            "clientid": credentials.client_id,
            "secret": credentials.secret,
        }
        for key, value in given.items():
            if not value:
                yield f"credentials.{key}", "missing for a client_secret", "give it"


OBJECT_RULES: Final[tuple[Rule, ...]] = (object_stores_are_complete,)
