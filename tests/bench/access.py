"""What access control costs: manifests for somebody beside manifests for nobody, logins, and a flood of wrong passwords.

Three registries run side by side: one that knows nobody, one with one user, one with ten thousand users and five hundred policies.
Each round goes through all of them in turn, and a ratio is of two turns that followed each other.

    python tests/bench/access.py --rounds 5

Exit codes: 0 also when targets are missed, 1 when something could not be run, 130 on Ctrl-C. Without distribution 3 it is left out
and said so; with CI=true in the environment that is a failure.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier, Thread
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import bcrypt
import goals
import subjects
from rich.console import Console
from rich.table import Table
from side_by_side import say, spread

from holdfast.errors import HoldfastError
from holdfast.ops.bench import flood
from holdfast.ops.bench.content import MANIFEST_TYPE, Contents
from holdfast.ops.bench.endpoint import Dialer
from holdfast.ops.bench.http import Request
from holdfast.ops.bench.registry import ACCEPT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from holdfast.ops.bench.endpoint import Endpoint
    from holdfast.ops.bench.measure import Tally

NOBODY, ONE, MANY = "nobody known", "one user", "10,000 users, 500 policies"
BASIC, BEARER = "manifest GET with Basic, of one for nobody", "manifest GET with a token, of one for nobody"
LOGINS, FAILED = "logins of all clients at once, s", "logins that failed"
FLOODED = "p99 of a user beside wrong passwords, of one without"
GOALS = (
    goals.Goal(BASIC, 0.9),
    goals.Goal(BEARER, 0.9),
    goals.Goal(FAILED, 0, at_least=False, unit=""),
    goals.Goal(FLOODED, 2.0, at_least=False),
)
FIGURES = (BASIC, BEARER, LOGINS, FAILED, FLOODED)
REPOSITORY = "bench/app"
PASSWORD = "a word of this run"
_COST = 10
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Sizes:
    seconds: float = 3.0
    connections: int = 16
    clients: int = 100
    users: int = 10_000
    policies: int = 500
    # Of the user beside the flood: as many as leave a processor to others.
    victims: int = 2
    attackers: int = 32


QUICK = Sizes(seconds=0.3, connections=4, clients=5, users=200, policies=20, attackers=4)


class LoginError(Exception):
    """An answer that no client can go on with."""


def ask(port: int, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Mapping[str, str], bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)) as connection:
        connection.request(
            method, path, body or None, {name.replace("_", "-"): value for name, value in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def basic(user: str, password: str = PASSWORD) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def logged_in(port: int, user: str, scope: str = "") -> str:
    """The header that a client sends after a login; it does as the challenge says."""
    status, headers, _ = ask(port, "GET", "/v2/")
    if status != 401:
        raise LoginError(f"/v2/ was answered with {status}")
    kind, _, rest = headers["www-authenticate"].partition(" ")
    header = basic(user)
    if kind.lower() == "bearer":
        said = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        query = urlencode({"service": said["service"], **({"scope": scope} if scope else {})})
        status, _, body = ask(port, "GET", f"/auth/token?{query}", Authorization=basic(user))
        if status != 200:
            raise LoginError(f"a token was answered with {status}")
        header = f"Bearer {json.loads(body)['token']}"
    status, _, _ = ask(port, "GET", "/v2/", Authorization=header)
    if status != 200:
        raise LoginError(f"/v2/ was answered with {status} after the login")
    return header


def passwords(directory: Path, users: int) -> Path:
    """All have the same hash: comparing costs the same, writing less."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(_COST)).decode()
    path = directory / f"passwords-{users}"
    path.write_text("".join(f"user{number}:{hashed}\n" for number in range(users)))
    return path


def guarded(directory: Path, users: int, policies: int) -> dict[str, object]:
    """The sections of a configuration."""
    names = [f"user{number}" for number in range(users)]
    repositories = {
        f"team{number}/**": {
            "policies": [{"users": names[number :: policies + 1][:50] or names[:1], "actions": ["read", "create"]}]
        }
        for number in range(policies)
    }
    everything = ["read", "create", "update", "delete"]
    repositories["bench/**"] = {"policies": [{"users": names[:100], "actions": everything}]}
    http_section = {
        "auth": {"htpasswd": {"path": str(passwords(directory, users))}},
        "accessControl": {"repositories": repositories},
    }
    return {"http": http_section}


def ours(name: str, sections: Mapping[str, object]) -> subjects.Subject:
    """As ``subjects`` makes it, with sections merged into those that are there."""

    def command(directory: Path, port: int) -> list[str]:
        made = subjects.holdfast_subject().command(directory, port)
        path = Path(made[-1])
        config = json.loads(path.read_text())
        for section, values in sections.items():
            config[section] = {**config.get(section, {}), **values}  # type: ignore[dict-item]
        path.write_text(json.dumps(config))
        return made

    return subjects.Subject(name, command, ready="/readyz")


@dataclass(frozen=True, slots=True)
class Place:
    """A registry with an image to ask for. ``headers``: by figure, what whoever asks sends."""

    name: str
    endpoint: Endpoint
    headers: Mapping[str, str]

    @property
    def port(self) -> int:
        return self.endpoint.port

    def flooded(self, header: str, connections: int, seconds: float) -> Tally:
        """Manifests by tag, as many as it gives."""
        headers = (ACCEPT, ("Authorization", header)) if header else (ACCEPT,)
        head = Request("GET", f"/v2/{REPOSITORY}/manifests/v1", headers).head(self.endpoint.authority).decode("latin-1")
        with ExitStack() as guard:
            return flood.run(flood.Plan(self.endpoint, Dialer(60.0), (head,), connections, seconds), 1, guard)


def filled(name: str, endpoint: Endpoint) -> Place:
    """With an image, and a login where somebody is known."""
    push = "" if name == NOBODY else basic("user0")
    sent = {"Authorization": push} if push else {}
    blob = Contents(Path(), 1).small(1_000)
    status, _, _ = ask(
        endpoint.port, "POST", f"/v2/{REPOSITORY}/blobs/uploads/?digest={blob.digest}", blob.data, **sent
    )
    if status != 201:
        raise LoginError(f"{name}: a blob was answered with {status}")
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "size": blob.size_bytes, "digest": str(blob.digest)}
    body = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": layer, "layers": [layer]}
    place = f"/v2/{REPOSITORY}/manifests/v1"
    status, _, _ = ask(endpoint.port, "PUT", place, json.dumps(body).encode(), Content_Type=MANIFEST_TYPE, **sent)
    if status != 201:
        raise LoginError(f"{name}: a manifest was answered with {status}")
    if not push:
        return Place(name, endpoint, {})
    token = logged_in(endpoint.port, "user0", f"repository:{REPOSITORY}:pull")
    return Place(name, endpoint, {BASIC: push, BEARER: token})


@dataclass(slots=True)
class Comparison:
    """All values so far, and what could not be run."""

    sizes: Sizes
    values: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    faults: list[str] = field(default_factory=list)

    def manifests(self, nobody: Place, somebody: Sequence[Place], *, first: bool) -> None:
        for place in somebody:
            for figure, header in place.headers.items():
                pair = [(nobody, ""), (place, header)]
                rates = {one.name: self.rate(one, sent) for one, sent in (pair if first else reversed(pair))}
                say(f"  {place.name}, {figure}: {rates[place.name]:,.0f}/s, nobody {rates[nobody.name]:,.0f}/s")
                self.values[figure][place.name].append(rates[place.name] / rates[nobody.name])

    def rate(self, place: Place, header: str) -> float:
        tally = place.flooded(header, self.sizes.connections, self.sizes.seconds)
        self.note_failures(place, tally)
        return tally.requests / tally.seconds or 1.0

    def note_failures(self, place: Place, tally: Tally) -> None:
        self.faults += [f"{place.name}: {times} x {reason}" for reason, times in tally.failures.items()]

    def logins(self, name: str, port: int) -> None:
        """All at the same moment, each somebody else."""
        gun = Barrier(self.sizes.clients)

        def one(number: int) -> float:
            gun.wait()
            logged_in(port, f"user{number + 1}")
            return time.perf_counter()

        with ThreadPoolExecutor(self.sizes.clients) as pool:
            began = time.perf_counter()
            going = [pool.submit(one, number) for number in range(self.sizes.clients)]
            failures = [error for error in (each.exception() for each in going) if error is not None]
        seconds = time.perf_counter() - began
        say(f"  {name}: {self.sizes.clients} logins in {seconds:.2f} s, {len(failures)} failed {failures[:1] or ''}")
        self.values[LOGINS][name].append(seconds)
        self.values[FAILED][name].append(len(failures))

    def beside_wrong_passwords(self, place: Place) -> None:
        seconds = self.sizes.seconds
        p99 = {}
        for case in ("without", "with"):
            with attacked(place.port, self.sizes.attackers if case == "with" else 0, seconds) as statuses:
                tally = place.flooded(place.headers[BASIC], self.sizes.victims, seconds)
            self.note_failures(place, tally)
            p99[case] = tally.latency.quantile(0.99) or 0.0
            say(
                f"  {case} wrong passwords: p99 {p99[case] * 1000:.2f} ms, {tally.requests / tally.seconds:,.0f}/s {dict(statuses)}"
            )
        if p99["without"]:
            self.values[FLOODED][place.name].append(p99["with"] / p99["without"])


@contextmanager
def attacked(port: int, attackers: int, seconds: float) -> Iterator[Counter[str]]:
    """Wrong passwords from another process all the while; how they were answered is there afterwards."""
    statuses: Counter[str] = Counter()
    program = [sys.executable, __file__, "--attack", str(port), str(attackers), str(seconds + 1)]
    with subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is not None:
            process.stdout.readline()
        try:
            yield statuses
        finally:
            process.terminate() if attackers == 0 else None
            told = process.stdout.read() if process.stdout is not None else ""
            statuses.update(json.loads(told or "{}"))


def attack(port: int, attackers: int, seconds: float) -> None:
    """The other process: each connection from an address of its own, for a name and with a password of its own."""
    statuses: Counter[str] = Counter()
    ends_at = time.monotonic() + seconds

    def one(chance: random.Random) -> None:
        while time.monotonic() < ends_at:
            address = ".".join(["127", *(str(chance.randrange(1, 255)) for _ in range(3))])
            header = basic(f"user{chance.randrange(20_000)}", str(chance.random()))
            try:
                with closing(
                    http.client.HTTPConnection("127.0.0.1", port, 60, source_address=(address, 0))
                ) as connection:
                    connection.request("GET", "/v2/", headers={"Authorization": header})
                    statuses[str(connection.getresponse().status)] += 1
            except OSError as error:
                statuses[type(error).__name__] += 1

    threads = [Thread(target=one, args=(random.Random(number),)) for number in range(attackers)]
    for thread in threads:
        thread.start()
    time.sleep(0.5 if attackers else 0)  # until the first are being compared
    print("begun", flush=True)
    for thread in threads:
        thread.join()
    print(json.dumps(statuses))


def run(arguments: argparse.Namespace, comparison: Comparison, directory: Path) -> None:
    sizes = comparison.sizes
    made = {
        NOBODY: ours(NOBODY, {}),
        ONE: ours(ONE, guarded(directory, 1, 1)),
        MANY: ours(MANY, guarded(directory, sizes.users, sizes.policies)),
    }
    with ExitStack() as guard:
        running = {
            name: guard.enter_context(subjects.running(one, directory / f"s{n}"))
            for n, (name, one) in enumerate(made.items())
        }
        places = {name: filled(name, one.endpoint) for name, one in running.items()}
        for number in range(arguments.rounds):
            say(f"round {number + 1} of {arguments.rounds}")
            if "manifests" in arguments.only:
                comparison.manifests(places[NOBODY], [places[ONE], places[MANY]], first=number % 2 == 0)
            if "flood" in arguments.only:
                comparison.beside_wrong_passwords(places[MANY])
        if "logins" in arguments.only:
            comparison.logins(MANY, places[MANY].port)
    if "logins" in arguments.only and not arguments.ours:
        logins_at_distribution(comparison, directory)


def logins_at_distribution(comparison: Comparison, directory: Path) -> None:
    place = {"realm": "bench", "path": str(passwords(directory, comparison.sizes.clients + 1))}
    try:
        subject = subjects.distribution_subject({"auth": {"htpasswd": place}})
    except subjects.SubjectError as error:
        say(f"SKIPPED {subjects.DISTRIBUTION}: {error}")
        if os.environ.get("CI") == "true":
            comparison.faults.append(str(error))
        return
    # It answers the root of the port to everybody.
    subject = subjects.Subject(subject.name, subject.command, subject.environment, ready="/")
    with subjects.running(subject, directory / "peer") as peer:
        comparison.logins(subjects.DISTRIBUTION, peer.endpoint.port)


def tables(comparison: Comparison) -> tuple[Table, Table]:
    names = (ONE, MANY, subjects.DISTRIBUTION)
    medians = Table("figure", title="Medians (lowest - highest)", title_justify="left")
    for name in names:
        medians.add_column(name, justify="right")
    for figure in FIGURES:
        medians.add_row(figure, *(spread(comparison.values[figure].get(name, ())) for name in names))
    verdicts = Table("figure", "of", "target", "reached", "verdict", title="Targets", title_justify="left")
    for name in (ONE, MANY):
        for outcome in goals.judge(GOALS, comparison.values, name):
            if outcome.reached is not None:
                verdicts.add_row(
                    outcome.goal.figure, name, outcome.goal.wording, f"{outcome.reached:.2f}", outcome.verdict
                )
    return medians, verdicts


def main() -> int:
    if sys.argv[1:2] == ["--attack"]:
        attack(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
        return 0
    parser = argparse.ArgumentParser(description="What access control costs.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that everything runs, not how fast")
    parser.add_argument("--ours", action="store_true", help="without distribution 3")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all values there")
    parser.add_argument("--directory", type=Path, help="parent of the data directories; default: the temporary one")
    parts = ("manifests", "flood", "logins")
    parser.add_argument("--only", action="append", choices=parts, help="this part alone; repeatable")
    arguments = parser.parse_args()
    arguments.only = arguments.only or parts
    comparison = Comparison(QUICK if arguments.quick else Sizes())
    with tempfile.TemporaryDirectory(prefix="holdfast-access-", dir=arguments.directory) as directory:
        try:
            run(arguments, comparison, Path(directory))
        except KeyboardInterrupt:
            say("interrupted; servers are stopped and their data is removed")
            return 130
        except (subjects.SubjectError, LoginError, HoldfastError, OSError) as error:
            comparison.faults.append(str(error))
    console = Console(width=None if sys.stdout.isatty() else 140)
    for table in tables(comparison):
        console.print(table)
    if arguments.json:
        record = {"schema": 1, "values": comparison.values, "faults": comparison.faults}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    for fault in comparison.faults:
        say(f"FAULT: {fault}")
    return 1 if comparison.faults else 0


if __name__ == "__main__":
    sys.exit(main())
