"""Others' sample configurations, started here: only what names a place of theirs is rewritten.

    rootDirectory, output, audit, address, port, externalUrl     below a test's directory, on a free port of loopback
    path of htpasswd, cert, key, credentialsFile, ...            ``files/<the same name>`` there; the test writes what is in it
    everything else                                              as it stands, unless a test changes it by its path

Names are compared without regard to case, as the product does, and written back as the sample has them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from tests.access.guarded import Guarded
from tests.serving import Server, free_port, launched

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping

SHARED: Final = Path(__file__).parents[3] / "shared" / "configs"
FOLDERS: Final = ("seeds", "zot")
REMOVED: Final = object()
"""As the value of a change: this setting is left out."""
_SYNC: Final = "the sync worker's own tests start what it says, against upstreams on this machine (tests/sync)"
_LATER: Final = "asks for nothing but what a later version brings, which is warned of at the start"
_HEALTH: Final = (
    "what it says of garbage and retention acts in tests/gc, tests/unit/retention and tests/clients/test_retention.py"
)
ELSEWHERE: Final = {
    "config-all-remote.json": _LATER,
    "config-cve.json": _LATER,
    "config-cve-trivy.json": _LATER,
    "config-multiple-cve.json": _LATER,
    "config-events.json": _LATER,
    "config-lint.json": _LATER,
    "config-search.json": _LATER,
    "config-ui.json": _LATER,
    "config-gc-periodic.json": _HEALTH,
    "config-retention.json": _HEALTH,
    "config-scheduler.json": _HEALTH,
    "config-gcs.json": "object stores act in tests/objects; Google's before a stand-in that answers as Google documents it",
    "config-ldap.json": "acts before a real directory in tests/access/test_ldap.py",
    "config-tls.json": "acts with certificates of the test's own in tests/access/test_mtls.py",
    "config-mtls.json": "acts with certificates of the test's own in tests/access/test_mtls.py",
    "on-demand-cache.json": _SYNC,
    "config-popular-registries.json": _SYNC,
    "config-sync.json": _SYNC,
    "config-sync-ecr-credential-helper.json": _SYNC,
    "config-sync-gcp-credential-helper.json": _SYNC,
    "config-sync-oauth2-assertion-file.json": _SYNC,
    "config-sync-oauth2-credential-helper.json": _SYNC,
    "config-sync-oauth2-token-exchange.json": _SYNC,
}
"""Samples that no test starts, and why; those that this version refuses to start with are not among them."""
_FILES: Final = frozenset({"credentialsfile", "sessionkeysfile", "cert", "key", "cacert", "certdir"})


def require_samples() -> None:
    """Skips where they are not beside this clone; in CI that is a failure."""
    if not SHARED.is_dir():
        reason = "the folder shared/configs with the sample configurations is not beside this clone"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


def find(name: str) -> Path:
    """A sample by its file's name."""
    require_samples()
    return next(path for folder in FOLDERS for path in (SHARED / folder).glob(name))


def read(sample: Path) -> dict[str, Any]:
    text = sample.read_text(encoding="utf-8")
    tree = json.loads(text) if sample.suffix == ".json" else yaml.safe_load(text)
    assert isinstance(tree, dict)
    return tree


def rewritten(tree: Any, root: Path, port: int, changes: Mapping[str, Any], at: tuple[str, ...] = ()) -> Any:
    """``changes``: by path in lower case with dots, as ``http.auth.ldap.port``; of settings that are there."""
    if isinstance(tree, dict):
        kept = {key: (value, (*at, key.lower())) for key, value in tree.items()}
        return {
            key: rewritten(value, root, port, changes, place)
            for key, (value, place) in kept.items()
            if changes.get(".".join(place)) is not REMOVED
        }
    changed = changes.get(".".join(at))
    if changed is not None:
        return changed
    if isinstance(tree, list):
        return [rewritten(item, root, port, changes, (*at, str(number))) for number, item in enumerate(tree)]
    return _place(tree, root, port, at) if isinstance(tree, str | int) and not isinstance(tree, bool) else tree


def _place(value: str | int, root: Path, port: int, at: tuple[str, ...]) -> str | int:
    *above, key = at or ("",)
    place = value
    match (*above, key):
        case ["http", "address"]:
            place = "127.0.0.1"
        case ["http", "port"]:
            place = type(value)(port)
        case ["http", "externalurl"]:
            place = f"{str(value).partition('://')[0]}://127.0.0.1:{port}"
        case ["log", "output" | "audit"]:
            place = str(root / f"{key}.log")
        case ["storage", *route, "rootdirectory"]:
            place = str(root / "data" / "-".join(("storage", *(word.strip("/") for word in route[1:]))))
        case [*_, "htpasswd", "path"]:
            place = str(root / "files" / Path(str(value)).name)
        case _ if key in _FILES and isinstance(value, str) and value:
            place = str(root / "files" / Path(value).name)
    return place


def written(name: str, root: Path, port: int, files: Mapping[str, str | bytes], changes: Mapping[str, Any]) -> Path:
    """The sample as it is started, in its own format, and the files that it names: the test's, or those beside the sample."""
    sample = find(name)
    place = root / "files"
    place.mkdir(parents=True, exist_ok=True)
    for beside in (SHARED / "zot").glob("*.json"):
        if not beside.name.startswith("config-") or beside.name.endswith("-credentials.json"):
            shutil.copyfile(beside, place / beside.name)
    for file, content in files.items():
        (place / file).write_bytes(content if isinstance(content, bytes) else content.encode())
        (place / file).chmod(0o600)
    tree = rewritten(read(sample), root, port, changes)
    http = next(tree[key] for key in tree if key.lower() == "http")
    if not any(key.lower() == "port" for key in http):
        http["port"] = str(port)
    path = root / sample.name
    path.write_text(json.dumps(tree) if sample.suffix == ".json" else yaml.safe_dump(tree), encoding="utf-8")
    return path


@contextlib.contextmanager
def acting(
    name: str,
    root: Path,
    files: Mapping[str, str | bytes] | None = None,
    changes: Mapping[str, Any] | None = None,
    ready: Callable[[Server], bool] = Server.ready,
    trust: ssl.SSLContext | None = None,
) -> Iterator[Guarded]:
    """A registry on a sample for the length of a block; it must stop cleanly. ``trust``: it speaks HTTPS."""
    port = free_port()
    config = written(name, root, port, files or {}, changes or {})
    place = root / "registry"
    place.mkdir()
    server = launched(place, config, port, ready=ready, trust=trust)
    try:
        yield Guarded(server, root / "files" / "htpasswd")
    finally:
        code = server.stop()
    assert code == 0, f"the registry ended with {code}: {server.log.read_text()[-2000:]}"
