"""From ``storageDriver`` to a bucket.

What is not given is taken from where obstore looks: the environment (``AWS_*``, ``GOOGLE_*``, ``AZURE_*``), a web identity, the
machine's own. Credentials never go into a message.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from holdfast.config.drivers import S3, Azure, Gcs
from holdfast.errors import ConfigError
from storagenode.objects.bucket import Bucket

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig
    from pydantic import SecretStr

    from holdfast.config.drivers import StorageDriver

_PART_BYTES: Final = 8 << 20
# Somebody waits for the answer. Of one request, then of all attempts at it.
_PATIENCE: Final = timedelta(seconds=60)
_CONNECT_PATIENCE: Final = timedelta(seconds=5)
_RETRY: Final[RetryConfig] = {
    "max_retries": 5,
    "retry_timeout": timedelta(seconds=30),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2},
}


def open_bucket(driver: StorageDriver, retry: RetryConfig | None = None) -> Bucket:
    """Asks nobody yet. Raises ConfigError."""
    retry = retry or _RETRY
    try:
        if isinstance(driver, S3):
            return Bucket(_s3(driver, retry), driver.chunk_size or _PART_BYTES, driver.storage_class)
        if isinstance(driver, Gcs):
            return Bucket(_gcs(driver, retry), driver.chunk_size or _PART_BYTES)
        return Bucket(_azure(driver, retry), _PART_BYTES)
    except (BaseError, ValueError, OSError):
        # Its words may repeat what is secret.
        raise ConfigError(f"storageDriver {driver.name} cannot be used as it is; check its keys and files") from None


def _client(*, allow_http: bool = False) -> ClientConfig:
    return {"timeout": _PATIENCE, "connect_timeout": _CONNECT_PATIENCE, "allow_http": allow_http}


def _s3(driver: S3, retry: RetryConfig) -> ObjectStore:
    client = _client(allow_http=not driver.secure or driver.region_endpoint.startswith("http://"))
    if driver.skip_verify:
        client["allow_invalid_certificates"] = True
    if driver.user_agent:
        client["user_agent"] = driver.user_agent
    given = {
        "region": driver.region,
        "endpoint": _endpoint(driver),
        "access_key_id": _said(driver.access_key),
        "secret_access_key": _said(driver.secret_key),
        "session_token": _said(driver.session_token),
        "sse_kms_key_id": driver.key_id if driver.encrypt else "",
        "server_side_encryption": ("aws:kms" if driver.key_id else "AES256") if driver.encrypt else "",
    }
    config: Any = {key: value for key, value in given.items() if value}
    config["virtual_hosted_style_request"] = not driver.path_style
    return S3Store(
        driver.bucket, prefix=_prefix(driver.root_directory), config=config, client_options=client, retry_config=retry
    )


def _endpoint(driver: S3) -> str:
    scheme = "https" if driver.secure else "http"
    if driver.region_endpoint:
        has_scheme = "://" in driver.region_endpoint
        return driver.region_endpoint if has_scheme else f"{scheme}://{driver.region_endpoint}"
    if not (driver.use_dual_stack or driver.use_fips_endpoint):
        return ""
    words = ["s3-fips" if driver.use_fips_endpoint else "s3", *(["dualstack"] if driver.use_dual_stack else [])]
    host = f"{'.'.join(words)}.{driver.region}.amazonaws.com"
    return f"{scheme}://{host}" if driver.path_style else f"{scheme}://{driver.bucket}.{host}"


def _gcs(driver: Gcs, retry: RetryConfig) -> ObjectStore:
    key_file = driver.key_file or driver.credentials_file
    config: Any = {"service_account": key_file} if key_file else {}
    return GCSStore(
        driver.bucket,
        prefix=_prefix(driver.root_directory),
        config=config,
        client_options=_client(),
        retry_config=retry,
    )


def _azure(driver: Azure, retry: RetryConfig) -> ObjectStore:
    given = {"account_name": driver.account_name, "account_key": _said(driver.account_key)}
    if driver.credentials is not None and driver.credentials.type == "client_secret":
        given |= {
            "tenant_id": driver.credentials.tenant_id,
            "client_id": driver.credentials.client_id,
            "client_secret": _said(driver.credentials.secret),
        }
    config: Any = {key: value for key, value in given.items() if value}
    return AzureStore(
        driver.container,
        prefix=_prefix(driver.root_directory),
        config=config,
        client_options=_client(),
        retry_config=retry,
    )


def _said(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""


def _prefix(root: str) -> str | None:
    return root.strip("/") or None
