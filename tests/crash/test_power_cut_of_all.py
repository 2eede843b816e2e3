"""A power cut takes everything that was not fsynced, from the node and from the metadata alike; what was acknowledged is there.

A real server works under strace. From the trace follows, for every moment at which an answer left, what a disk must have kept and
what it may have lost (``tests.crash.disk``). Holdfast is started on that and compared with what was acknowledged until then. And
the proof that this test would notice: with any one kind of fsync left out of the trace the comparison fails.
"""

from __future__ import annotations

import copy
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from holdfast.errors import HoldfastError
from tests.crash.after_the_cut import started
from tests.crash.compare import Comparison, Findings
from tests.crash.disk import Disk
from tests.crash.ledger import Content, Ledger
from tests.crash.trace import Answered, Call, Step, SyncBegins, SyncEnds, perform, steps, traced
from tests.crash.traffic import Answer, Client, Http
from tests.crash.victims import children
from tests.serving import serving, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _may_trace() -> bool:
    command = ["strace", "-f", "-o", os.devnull, "true"]
    return shutil.which("strace") is not None and subprocess.run(command, check=False).returncode == 0


pytestmark = pytest.mark.skipif(
    not os.environ.get("CI") and not _may_trace(),
    reason="needs strace (on Debian: apt-get install strace) and the right to trace its own processes",
)
_ROUNDS = 25


@dataclass
class Recording:
    """What happened: the steps, the ledger after each answer, and every content that there was."""

    root: Path
    steps: list[Step] = field(default_factory=list)
    ledgers: dict[str, Ledger] = field(default_factory=dict)
    contents: dict[str, Content] = field(default_factory=dict)

    def reveal(self, blob: str) -> bytes:
        return self.contents[blob.replace("-", ":")].data


class NotingClient(Client):
    """Notes after each answer what may be true from then on."""

    def __init__(self, port: int, recording: Recording) -> None:
        super().__init__(port, "traced", ["traced"], seed=5)
        self._recording = recording
        self._last = ""
        self._real_ask, self.http.ask = self.http.ask, self._ask

    def _ask(self, *request) -> Answer:
        answer = self._real_ask(*request)
        self._last = answer.headers.get("x-request-id", "")
        return answer

    def note(self) -> None:
        if self._last:
            self._recording.ledgers[self._last] = copy.deepcopy(self.ledger)
            self._recording.contents.update(self.ledger.contents)
            self._recording.contents.update({u.content.digest: u.content for u in self.ledger.uploads})

    def _change(self, *arguments) -> bool:
        acknowledged = super()._change(*arguments)
        self.note()
        return acknowledged

    def step(self) -> None:
        super().step()
        self.note()


@pytest.fixture(scope="module")
def recording() -> Iterator[Recording]:
    """Three lives: the first ends with order, the second with a killed node and a killed supervisor."""
    with tempfile.TemporaryDirectory(prefix="cut") as made:
        found = Recording(Path(made).resolve())
        (found.root / "disk").mkdir()
        client = None
        for life in range(3):
            trace = found.root / f"trace{life}"
            server = traced(found.root, trace, client.port if client else 0)
            try:
                if client is None:
                    client = NotingClient(server.port, found)
                for number in range(_ROUNDS):
                    client.step()
                    if life == 1 and number == _ROUNDS // 2:
                        os.kill(children(server.process.pid)[0], signal.SIGKILL)
            finally:
                code = server.stop(signal.SIGKILL if life == 1 else signal.SIGTERM)
            assert code == (-signal.SIGKILL if life == 1 else 0)
            wait_for("strace to end", lambda path=trace: not _is_open(path))
            found.steps += steps(trace, found.root / "disk")
        client.http.close()
        yield found


def _is_open(path: Path) -> bool:
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if descriptor.readlink() == path:
                return True
        except OSError:
            continue
    return False


@dataclass(frozen=True, slots=True)
class Moment:
    """A power cut now. ``ledger`` is what may be true; the disk goes on changing when the replay does."""

    disk: Disk
    ledger: Ledger


def moments(recording: Recording, skip: Callable[[str], bool] = lambda _path: False) -> Iterator[Moment]:
    """Replay: each moment at which an answer has left, and each at which an fsync is over. ``skip``: fsyncs left out, by path."""
    disk = Disk()
    under_way: dict[tuple[int, int], Callable[[], None]] = {}
    answered = [step.request_id for step in recording.steps if _is_noted(step, recording)]
    settled = Ledger("crash/traced")
    for step in recording.steps:
        if isinstance(step, Call):
            perform(step, disk, recording.root / "disk")
        elif isinstance(step, SyncBegins):
            if not skip(step.path):
                under_way[step.key] = disk.sync(step.path)
        elif isinstance(step, SyncEnds):
            under_way.pop(step.key, lambda: None)()
            if answered:
                yield Moment(disk, between(settled, recording.ledgers[answered[0]]))
        elif _is_noted(step, recording):
            settled = recording.ledgers[answered.pop(0)]
            yield Moment(disk, settled)


def _is_noted(step: Step, recording: Recording) -> bool:
    return isinstance(step, Answered) and step.request_id in recording.ledgers


def between(before: Ledger, after: Ledger) -> Ledger:
    """While a request is under way: what was true, or what will be. A name that ``after`` does not know is not looked at."""
    found = copy.deepcopy(after)
    for old, new, absent in (
        (before.blobs, found.blobs, False),
        (before.manifests, found.manifests, False),
        (before.tags, found.tags, None),
    ):
        for name in new:
            new[name] |= old.get(name, {absent})
    return found


def look(recording: Recording, moment: Moment, target: Path, luck: Callable[[], bool] = lambda: False) -> Findings:
    """What is lost or half-visible after a power cut at that moment."""
    moment.disk.survivors(target, recording.reveal, luck)
    findings = Findings()
    with started(target / "data") as ask:
        Comparison(ask, copy.deepcopy(moment.ledger), findings).run()
    shutil.rmtree(target)
    return findings


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where that can be: a thousand trees of 4096 directories are made here."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as made:
        yield Path(made)


def _looks(recording: Recording, folder: Path, stride: int, luck: Callable[[], bool] = lambda: False) -> int:
    count = 0
    for number, moment in enumerate(moments(recording)):
        if number % stride == 0:
            findings = look(recording, moment, folder / str(number), luck)
            assert not findings, f"a power cut at moment {number}: {findings}"
            count += 1
    return count


def test_what_was_acknowledged_survives_a_power_cut(recording, folder):
    assert len(recording.ledgers) > 2 * _ROUNDS
    assert _looks(recording, folder, stride=5) > _ROUNDS


def test_nothing_is_half_visible_when_some_of_the_rest_survives_as_well(recording, folder):
    """What was not fsynced may be there or not, each change by itself."""
    chance = random.Random(3)
    assert _looks(recording, folder, 12, lambda: chance.random() < 0.5) > _ROUNDS // 2


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_what_was_acknowledged_survives_a_power_cut_at_any_moment(recording, folder):
    _looks(recording, folder, stride=1)
    for seed in range(5):
        chance = random.Random(seed)
        _looks(recording, folder, 3, lambda chance=chance: chance.random() < 0.5)


def test_a_server_starts_on_what_a_power_cut_left(recording, folder):
    """The rest is done in this process; once the whole server does it, by its own command."""
    *_, last = moments(recording)
    last.disk.survivors(folder / "after", recording.reveal)
    findings = Findings()
    with serving(folder, storage={"rootDirectory": str(folder / "after" / "data")}) as server:
        http = Http(server.port)
        Comparison(http.ask, copy.deepcopy(last.ledger), findings).run()
        http.close()
    assert not findings


KINDS = {
    "the directory that holds the data directory": r"",
    "the data directory, with the names of node and metadata": r"data",
    "the directory of the metadata": r"data/meta",
    "the log of the metadata": r"data/meta/holdfast\.db-wal",
    "the database, when the log goes into it": r"data/meta/holdfast\.db",
    "the directory of the node": r"data/node",
    "the identity of the node": r"data/node/node\.json\.new",
    "the directory of all partitions": r"data/node/blobs",
    "the directory of a partition": r"data/node/blobs/[0-9a-f]{3}",
    "the file of an upload": r"data/node/staging/[^/]+\.data\.\d+",
    "the file of a small blob or a manifest": r"data/node/staging/put\.[^/]+",
}
# Of these no acknowledgement hangs on one process's doing: ``test_power_cut.py`` shows for the second what they are for.
# The third is for a restored backup, which no power cut brings: ``tests/gc`` shows what it is for.
OTHERS = (
    r"data/meta/holdfast\.db-journal",
    r"data/node/blobs/[0-9a-f]{3}/[^/]+",
    r"data/node/witness\.json\.new",
)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_without_one_kind_of_fsync_something_acknowledged_is_lost(recording, folder, kind):
    left_out = []

    def skip(path: str) -> bool:
        is_of_it = re.fullmatch(kind, path) is not None
        left_out.extend([path] * is_of_it)
        return is_of_it

    *_, last = enumerate(moments(recording))
    for number, moment in enumerate(moments(recording, skip)):
        if number % 12 and number != last[0]:
            continue
        try:
            if look(recording, moment, folder / str(number)):
                break
        except (HoldfastError, AssertionError):  # it does not even start
            break
    else:
        pytest.fail("nobody would notice")
    assert left_out, "there is no such fsync"


def test_every_fsync_is_of_one_of_these_kinds(recording):
    for step in recording.steps:
        if isinstance(step, SyncBegins):
            assert any(re.fullmatch(kind, step.path) for kind in (*KINDS.values(), *OTHERS)), step.path
