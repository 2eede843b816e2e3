"""Why an image cannot be pulled, from what everybody says about its parts."""

from __future__ import annotations

import pytest

from holdfast import digest as digests
from holdfast.errors import RequestInvalidError
from holdfast.ops.status.image import Copy, Image, Part, copies_text, verdict
from holdfast.ops.status.looking import parse

DIGEST = digests.of(b"layer")


def part(is_linked=True, may_be_absent=False, **copies):
    return Part(
        DIGEST, "blob", 5, is_linked, may_be_absent, ("a", "b"), {name: Copy(said) for name, said in copies.items()}
    )


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (part(a="present", b="down"), ""),
        (part(a="missing", b="missing", c="present"), ""),
        (part(is_linked=False, a="present", b="present"), "not linked by this repository"),
        (part(a="missing", b="missing"), "no node holds"),
        (part(a="missing", b="down"), "may be on b"),
        (part(a="silent", b="down"), "may be on a, b"),
        (part(a="wrong size", b="missing"), "wrong size on a"),
        (part(is_linked=False, may_be_absent=True, a="missing", b="missing"), ""),
    ],
)
def test_faults(found, fault):
    assert (fault in found.fault()) if fault else not found.fault()


def test_the_first_fault_is_the_verdict_and_the_others_are_counted():
    image = Image("r", "t", DIGEST, (part(a="missing", b="missing"), part(is_linked=False, a="present")))
    assert verdict(image) == f"cannot be pulled: no node holds blob {DIGEST}; push it again (and 1 more fault)"
    assert verdict(Image("r", "t", trouble="no such tag")) == "cannot be pulled: no such tag"


def test_short_copies_do_not_keep_anybody_from_pulling():
    image = Image("r", "t", DIGEST, (part(a="present", b="missing"),))
    assert verdict(image) == "can be pulled: 1 part; 1 part short of copies, which repair makes"


def test_copies_are_told_owners_first():
    assert copies_text(part(b="missing", a="present", c="present", d="missing")) == "a, b missing; c as handoff"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("team/app:1", ("team/app", "1")),
        ("app", ("app", "latest")),
        (f"app@{DIGEST}", ("app", str(DIGEST))),
    ],
)
def test_images_are_named_as_clients_name_them_without_a_host(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["", "App:1", "host:5000/app:1", "app@sha256:12", "app:-"])
def test_other_names_are_refused(text):
    with pytest.raises(RequestInvalidError, match="repository:tag"):
        parse(text)
