"""What ``holdfast gc`` says, and how it ends."""

from __future__ import annotations

from holdfast.ops.gc.report import Outcome
from holdfast.rpc.collecting import (
    Amount,
    News,
    Order,
    Report,
    StoreReport,
    Waiting,
    news,
    news_to_wire,
    order,
    order_to_wire,
)

FULL = Report(
    (
        StoreReport(
            "",
            blobs=Amount(900, 9000),
            links=Amount(3, 30),
            swept=Amount(4, 40),
            kept=Amount(1, 10),
            waiting=Waiting(Amount(5, 50), 60.0, 3600.0),
            emptied=Amount(6, 60),
            trash=Amount(7, 70),
        ),
        StoreReport("/infra", held_back=Amount(8, 80), refused="8 blobs are nobody's"),
        StoreReport("/kept", is_collected=False),
    ),
    uploads_dropped=Amount(2, 20),
    uploads_open=Amount(1, 10),
)


def test_a_report_and_an_order_cross_the_wire_whole():
    told = News("sweep", 3, 4, FULL)
    assert news(news_to_wire(told)) == told
    assert news(news_to_wire(News("links"))) == News("links")
    given = Order(dry_run=True, allowed_bytes={"": 1, "/infra": 2})
    assert order(order_to_wire(given)) == given


def test_only_what_has_left_the_disk_is_called_freed():
    said = " ".join(Outcome({"n1": FULL}).sentences())
    assert "80 B is freed: 6 copies of 60 B that had been in the trash for long enough and 2 uploads of 20 B" in said
    assert "4 blobs of 40 B that nobody links went to the trash" in said
    assert "the first is over in 1m0s, the last in 1h0m0s" in said


def test_a_dry_run_says_would():
    said = " ".join(Outcome({"n1": FULL}, is_dry_run=True).sentences())
    assert "would be freed" in said
    assert "would go to the trash" in said
    assert "would be removed" in said


def test_what_is_held_back_comes_with_the_way_to_let_it_go():
    outcome = Outcome({"n1": FULL}, {"n2": "it is down"})
    assert outcome.held_back == {"n1": {"/infra": Amount(8, 80)}}
    down, held = outcome.reasons()
    assert down == "n2: it is down"
    assert "holdfast gc --allow-large" in held
    assert "8 blobs of 80 B go once" in held


def test_programs_find_every_figure():
    told = Outcome({"n1": FULL}, {"n2": "it is down"}).as_json()
    assert (told["freedBytes"], told["heldBack"]) == (80, True)
    main = told["nodes"][0]["disks"][0]
    assert {
        name: main[name]["count"] for name in ("linksRemoved", "toTrash", "kept", "trashEmptied", "trash", "waiting")
    } == {
        "linksRemoved": 3,
        "toTrash": 4,
        "kept": 1,
        "trashEmptied": 6,
        "trash": 7,
        "waiting": 5,
    }
