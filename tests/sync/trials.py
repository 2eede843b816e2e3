"""One cold blob, pulled by a crowd while something goes wrong: how that is told, and what must hold afterwards.

    Fault("a name", plan=(Cut(0.5),))                 the upstream's own doing
    Fault("a name", before=control.arm)               done before the first client asks for the blob
    Fault("a name", act=lambda site, trial: ...)      done to a process once a share of the blob has come

After each: every client has the right bytes or knows that it has not; whoever asks again gets them, where it may, and nowhere else;
the upstream gave little more than the blob once; no fetch and no upload is left over.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from holdfast.digest import parse
from holdfast.meta import keys
from holdfast.meta.records import Codec
from holdfast.wire import records_pb2 as wire
from tests.serving import wait_for
from tests.sync.crowd import Crowd, Ends
from tests.sync.peers import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.meta.store import Store
    from storagenode.disk.tree import Tree
    from tests.sync.faulty import Cut, Faulty, Stall

SIZE_BYTES = 4 << 20
# What the issue allows the upstream to give, in blobs.
BOUND = 1.2
# Where an act of violence falls, unless a test says otherwise.
SHARE = 0.4
_AGAIN_SECONDS = 90.0
_numbers = count(1)
_FETCH = Codec(wire.FetchRecord)


class Site(Protocol):
    """What is tried: one machine or a cluster. ``place``: below which names the upstream is mirrored."""

    stock: Faulty
    place: str

    @property
    def gateways(self) -> Sequence[Any]:
        """Those that answer at this moment."""
        ...

    @property
    def store(self) -> Store: ...

    def tidy(self) -> None:
        """What workers do every few minutes."""
        ...

    def staged(self) -> set[str]:
        """The uploads on the disks of all nodes that run."""
        ...


@dataclass(frozen=True)
class Fault:
    """``bound``: what the upstream may give, in blobs. ``leaves``: how many uploads may stay until they expire; ``is_untidy``: the
    fetch's key may stay until a worker tidies up.
    """

    name: str
    plan: tuple[Cut | Stall, ...] = ()
    before: Callable[[], object] | None = None
    act: Callable[[Any, Trial], None] | None = None
    bound: float = BOUND
    leaves: int = 0
    is_untidy: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass
class Trial:
    """``given``: of the blob, by all upstreams of the site."""

    site: Site
    layer: bytes
    repository: str
    crowd: Crowd = field(init=False)

    @property
    def path(self) -> str:
        return f"/v2/{self.site.place}/{self.repository}/blobs/{digest_of(self.layer)}"

    @property
    def given(self) -> int:
        return self.site.stock.given[digest_of(self.layer)]

    def wait_past(self, share: float) -> None:
        wait_for(f"{share:.0%} of the blob to be given", lambda: self.given >= share * len(self.layer), 60)

    def fetch(self) -> Any:
        """The record of the running fetch; None: there is none."""
        entry = self.site.store.get(keys.fetch(parse(digest_of(self.layer))))
        return _FETCH.decode(entry.value) if entry is not None else None

    def asked_again(self) -> bool:
        """Whether a client that asks now gets it."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, _, body = self.site.gateways[0].request("GET", self.path)
            assert status != 404, body
            assert status != 200 or body == self.layer
            return status == 200
        return False

    def status_elsewhere(self) -> int:
        """Of the same blob in a repository that no manifest gave it to."""
        status: int = self.site.gateways[0].request("GET", f"/v2/private/app/blobs/{digest_of(self.layer)}")[0]
        return status


@dataclass(frozen=True)
class Report:
    fault: str
    share: float
    ends: Ends
    ratio: float
    seconds: float
    left: int
    bound: float

    def __str__(self) -> str:
        return (
            f"{self.fault:<58} at {self.share:4.0%}: {self.ends}; upstream gave {self.ratio:.3f}x;"
            f" {self.seconds:5.1f} s; uploads left {self.left}"
        )


def uploads_in(tree: Tree) -> set[str]:
    """Those that are staged, by what is on the disk."""
    return {path.name.partition(".")[0] for path in Path(tree.staging).iterdir() if ".data." in path.name}


def suffer(site: Site, fault: Fault, share: float = SHARE, size_bytes: int = SIZE_BYTES) -> Report:
    """One blob, one fault."""
    trial = Trial(site, os.urandom(size_bytes), f"team/app{next(_numbers)}")
    wanted = site.stock.image(trial.repository, "v1", trial.layer)
    path = f"/v2/{site.place}/{trial.repository}/manifests/v1"
    # What the trial before has killed may be on its way back still.
    wait_for("the manifest to come", lambda: site.gateways[0].request("GET", path)[::2] == (200, wanted))
    before = site.staged()
    site.stock.plan(trial.layer, *fault.plan)
    if fault.before is not None:
        fault.before()
    began = time.monotonic()
    trial.crowd = Crowd(site.gateways, trial.path, trial.layer)
    trial.wait_past(share)
    if fault.act is not None:
        fault.act(site, trial)
    trial.crowd.servers = site.gateways
    trial.crowd.join()
    ends = trial.crowd.end()
    seconds = time.monotonic() - began
    wait_for("a client that asks again to be served", trial.asked_again, _AGAIN_SECONDS)
    assert trial.status_elsewhere() == 404
    if fault.is_untidy:
        site.tidy()
    wait_for("the fetch to be over", lambda: trial.fetch() is None)
    ratio = trial.given / len(trial.layer)
    left = len(site.staged() - before)
    report = Report(fault.name, share, ends, ratio, seconds, left, fault.bound)
    print(report)
    assert ratio <= fault.bound, report
    assert left <= fault.leaves, report
    return report


def summary(reports: Sequence[Report]) -> str:
    ends = sum((report.ends for report in reports), Ends())
    within = [report.ratio for report in reports if report.bound == BOUND]
    beyond = [report.ratio for report in reports if report.bound != BOUND]
    told = f"{len(reports)} faults: {ends}, none with wrong bytes; the upstream gave at most {max(within):.3f}x"
    return f"{told}, where a node stays away {max(beyond):.3f}x" if beyond else told
