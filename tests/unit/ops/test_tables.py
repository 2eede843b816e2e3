"""The tables as an operator reads them, in a pipe."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from holdfast.meta.layouts import PastLayout
from holdfast.meta.members import Progress
from holdfast.ops.console import bytes_text, listed
from holdfast.ops.layout.history import describe as describe_history
from holdfast.ops.layout.history import lines_of
from holdfast.ops.layout.planned import Planned, describe
from holdfast.ops.layout.proposal import Traffic, Wishes, propose
from holdfast.ops.layout.show import describe as describe_live
from holdfast.ops.node.lines import as_table
from holdfast.ops.picture import node_lines
from holdfast.placement.layout import Rules
from tests.unit.ops.pictures import GIB, alive, layout, picture


def text(*parts) -> str:
    console = Console(file=io.StringIO(), width=160, highlight=False, emoji=False, markup=False)
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def cells(*parts) -> list[list[str]]:
    """The rows of a table, without its lines."""
    rows = [line.strip("│┃ ").replace("┃", "│").split("│") for line in text(*parts).splitlines() if line[:1] in "│┃"]
    return [[cell.strip() for cell in row] for row in rows]


def test_nodes():
    first = layout(1, "a@one", "b@two", rules=Rules(2, 2))
    busy = alive(read_only=True, quarantined=1)
    seen = picture("a@one", "b@two", "c@two", layouts=[first], says={"a": busy}, down=["b"], draining=["b"])
    assert cells(as_table(node_lines(seen))) == [
        ["node", "state", "zone", "weight", "address", "version", "partitions", "free", "capacity", "notes"],
        [
            "a",
            "active",
            "one",
            "100",
            "a.example:5100",
            "1.0.0",
            "4096",
            "60.0 GiB",
            "100 GiB",
            "read-only, 1 in quarantine",
        ],
        ["b", "down", "two", "100", "b.example:5100", "-", "4096", "-", "100 GiB", "draining"],
        ["c", "joining", "two", "100", "c.example:5100", "1.0.0", "0", "60.0 GiB", "100 GiB", "-"],
    ]


def test_a_plan_says_what_moves_and_what_it_comes_to():
    first = layout(1, "a", "b", rules=Rules(2, 1))
    proposal = propose(picture("a", "b", "c", layouts=[first], draining=["b"]), Wishes())
    said = text(*describe(Planned(proposal, {"c": Traffic(in_bytes=3 * GIB), "b": Traffic(out_bytes=3 * GIB)})))
    assert cells(*describe(Planned(proposal, {"c": Traffic(in_bytes=3 * GIB), "b": Traffic(out_bytes=3 * GIB)}))) == [
        ["node", "zone", "weight", "partitions before", "after", "gains", "loses", "sent to it", "freed on it"],
        ["a", "z", "100", "4096", "4096", "0", "0", "-", "-"],
        ["b", "z", "leaves", "4096", "0", "0", "4096", "-", "3.00 GiB"],
        ["c", "z", "100", "0", "4096", "4096", "0", "3.00 GiB", "-"],
    ]
    assert "layout 2: 2 copies, a write is acknowledged when 1 is durable" in said
    assert "moves 4096 copies of partitions (the fewest possible: 4096), about 3.00 GiB" in said


def test_live_layouts_stand_side_by_side():
    first = layout(1, "a", "b", rules=Rules(1, 1))
    second = layout(2, "a", "b", "c", rules=Rules(1, 1), previous=first)
    seen = picture("a", "b", "c", layouts=[first, second], waited_for=["c"])
    rows = cells(*describe_live(seen))
    assert rows[0] == ["node", "address", "zone", "weight", "layout 1", "layout 2", "synced"]
    assert [(row[0], row[4], row[6]) for row in rows[1:]] == [
        ("a", "2048", "yes"),
        ("b", "2048", "yes"),
        ("c", "0", "waited for"),
    ]
    assert "waiting for c" in text(*describe_live(seen))
    assert "holdfast layout apply" in text(*describe_live(picture("a")))


def test_history():
    first = layout(1, "a", "b", rules=Rules(1, 1))
    second = layout(2, "a", "c", rules=Rules(1, 1), previous=first)
    lines = lines_of([PastLayout(first, 0.0), PastLayout(second, 60.0)], {2})
    assert cells(describe_history(lines)) == [
        ["version", "applied", "live", "nodes", "zones", "copies", "durable", "moved", "came", "left"],
        ["1", "1970-01-01T00:00:00+00:00", "-", "2", "1", "1", "1", "0", "a, b", "-"],
        ["2", "1970-01-01T00:01:00+00:00", "yes", "2", "1", "1", "1", "2048", "c", "b"],
    ]


def test_repair_progress_is_noted_while_there_is_some():
    busy = replace(alive(), repair=Progress(done=256, total=4096))
    (line,) = node_lines(picture("a", layouts=[layout(1, "a")], says={"a": busy}))
    assert cells(as_table([line]))[1][-1] == "repair 256/4096"


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (15_000, "14.6 KiB"),
        (200 << 20, "200 MiB"),
        (3 << 60, "3072 PiB"),
    ],
)
def test_bytes_are_told_in_three_digits_or_four(count, expected):
    assert bytes_text(count) == expected


def test_long_lists_end_in_a_number():
    assert listed("abc", 3) == "a, b, c"
    assert listed("abcd", 3) == "a, b, c and 1 more"
