"""An authority and certificates in a directory, as `holdfast certs` writes them, for any time and any bearer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from holdfast.certs import files
from holdfast.certs.authority import Authority, make_authority, open_authority
from holdfast.certs.peer import Peer, Role
from holdfast.rpc.credentials import Credentials, TlsFiles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CLUSTER = "west"


@dataclass(frozen=True)
class Bearer:
    """A certificate's bearer of whatever form; ``Peer`` would refuse it."""

    cluster: str
    role: str
    name: str
    uri: str


@dataclass
class Papers:
    directory: Path
    cluster: str = CLUSTER
    authority: Authority = field(init=False)

    def __post_init__(self) -> None:
        made = make_authority(self.cluster, datetime.now(UTC) - timedelta(days=100))
        files.write_pair(files.pair(self.directory, files.AUTHORITY), made, replace=False)
        self.authority = open_authority(made.certificate, made.key)

    def issue(
        self,
        role: Role = Role.GATEWAY,
        hosts: Sequence[str] = (),
        *,
        name: str = "one",
        cluster: str | None = None,
        ended: bool = False,
        bearer: Bearer | None = None,
    ) -> TlsFiles:
        """A certificate that lasts thirty days, or ended a day ago. Again under one name: a renewal."""
        peer = bearer or Peer(cluster or self.cluster, role, name)
        begins = datetime.now(UTC) - timedelta(days=31 if ended else 0)
        at = files.pair(self.directory, f"{role}-{name}")
        files.write_pair(at, self.authority.issue(peer, hosts, begins, 30), replace=True)  # type: ignore[arg-type]
        return TlsFiles(files.pair(self.directory, files.AUTHORITY).certificate, at.certificate, at.key)

    def credentials(self, role: Role = Role.GATEWAY, **how: object) -> Credentials:
        return Credentials(self.issue(role, **how))  # type: ignore[arg-type]
