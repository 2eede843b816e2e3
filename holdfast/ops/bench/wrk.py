"""wrk as the generator of small requests, for those who want one that costs less than ours.

Its summary is text for people, so only what it prints is taken: count, 50th and 99th percentile, and errors. The tally's
histogram therefore holds two points, weighted so that the percentiles come out as wrk gave them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast.errors import AnswerError, RequestInvalidError
from holdfast.ops.bench.measure import Tally

if TYPE_CHECKING:
    from holdfast.ops.bench.endpoint import Endpoint
    from holdfast.ops.bench.http import Request

_TOTAL: Final = re.compile(r"(\d+) requests in ([\d.]+)(ms|s|m)")
_PERCENTILE: Final = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m)", re.MULTILINE)
_BAD_STATUS: Final = re.compile(r"Non-2xx or 3xx responses: (\d+)")
_SOCKET_ERRORS: Final = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
_UNIT_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def run(endpoint: Endpoint, request: Request, connections: int, seconds: float) -> Tally:
    """One thread of wrk.

    Raises:
        RequestInvalidError: wrk is not installed.
        AnswerError: it failed.
    """
    program = shutil.which("wrk")
    if program is None:
        raise RequestInvalidError("wrk is not on PATH; install it or leave --wrk out")
    whole_seconds = max(1, round(seconds))
    with tempfile.TemporaryDirectory(prefix="holdfast-wrk-") as directory:
        script = Path(directory, "method.lua")
        script.write_text(f'wrk.method = "{request.method}"\n', encoding="ascii")
        argv = [program, "-t1", f"-c{connections}", f"-d{whole_seconds}s", "--latency", "-s", str(script)]
        for name, value in request.headers:
            argv += ["-H", f"{name}: {value}"]
        argv.append(f"{endpoint.url}{request.target}")
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=whole_seconds + 60)  # noqa: S603 -- a list, no shell
    if done.returncode:
        raise AnswerError(f"wrk failed: {(done.stderr or done.stdout).strip()[:200]}", reason="wrk")
    return parse(done.stdout)


def parse(text: str) -> Tally:
    """The tally of wrk's summary.

    Raises:
        AnswerError: not a summary.
    """
    total = _TOTAL.search(text)
    if total is None:
        raise AnswerError(f"cannot read wrk's summary: {text[:200]!r}", reason="wrk")
    tally = Tally(seconds=float(total[2]) * _UNIT_SECONDS[total[3]])
    if bad := _BAD_STATUS.search(text):
        tally.failures["status not 2xx"] = int(bad[1])
    if broken := _SOCKET_ERRORS.search(text):
        tally.failures["connection"] = sum(map(int, broken.groups()))
    succeeded = max(0, int(total[1]) - tally.failures.total())
    points = {part: float(number) * _UNIT_SECONDS[unit] for part, number, unit in _PERCENTILE.findall(text)}
    slow = min(succeeded, int(succeeded * 0.02) + 1)
    for part, times in (("50", succeeded - slow), ("99", slow)):
        tally.latency.add_many(points.get(part, 0.0), times)
    return tally
