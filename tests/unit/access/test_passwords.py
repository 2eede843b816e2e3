"""htpasswd files: every kind of hash that is taken, and a word for every line that is not."""

from __future__ import annotations

import bcrypt
import pytest
from passlib.hash import sha256_crypt, sha512_crypt

from holdfast.access.htpasswd import parse
from holdfast.access.passwords import fits, hash_of, problem_of

QUICK = bcrypt.hashpw(b"open sesame", bcrypt.gensalt(4)).decode()


@pytest.mark.parametrize(
    "hashed",
    [
        QUICK,
        QUICK.replace("$2b$", "$2y$"),
        QUICK.replace("$2b$", "$2a$"),
        sha256_crypt.using(rounds=1000).hash("open sesame"),
        sha512_crypt.using(rounds=1000).hash("open sesame"),
    ],
)
def test_a_password_fits_its_own_hash_alone(hashed: str) -> None:
    assert problem_of(hashed) is None
    assert fits("open sesame", hashed)
    assert not fits("open sesamE", hashed)
    assert not fits("", hashed)
    assert not fits("open sesame\0", hashed)


def test_bcrypt_looks_at_seventy_two_bytes_as_every_htpasswd_does() -> None:
    hashed = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert fits("x" * 100, hashed)
    assert not fits("x" * 71, hashed)


def test_a_new_hash_is_bcrypt_and_what_bcrypt_would_cut_is_refused() -> None:
    assert fits("Grüße", hash_of("Grüße"))
    for bad in ("", "a\0b", "x" * 73):
        with pytest.raises(ValueError, match="72 bytes"):
            hash_of(bad)


@pytest.mark.parametrize(
    ("hashed", "reason"),
    [
        ("$apr1$abc$Rv5w0YpQ5lq2mCqNqz1Xx/", "MD5"),
        ("$1$abc$Rv5w0YpQ5lq2mCqNqz1Xx/", "MD5"),
        ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "SHA-1"),
        ("rqXexS6ZhobKA", "no hash"),
        ("plain", "no hash"),
        ("", "no hash"),
        ("$2b$10$cut", "malformed"),
        ("$2x$10$" + "a" * 53, "malformed"),
        ("$5$salt$short", "malformed"),
        ("$6$rounds=900000000$saltsalt$" + "a" * 86, "rounds"),
    ],
)
def test_other_hashes_have_a_problem_with_a_name(hashed: str, reason: str) -> None:
    assert reason in str(problem_of(hashed))


def test_a_file_is_read_line_by_line_and_a_bad_line_keeps_nobody_else_out() -> None:
    text = f"# staff\n\nann:{QUICK}\nold:$apr1$abc$x\nno colon\n:{QUICK}\n  bob:{QUICK}  \nann2:{QUICK}:more\n"
    users = parse(text)
    assert sorted(users.hashes) == ["ann", "ann2", "bob"]
    assert [(one.line, one.user) for one in users.problems] == [(4, "old"), (5, ""), (6, "")]
    assert all(QUICK not in one.reason for one in users.problems)


def test_the_last_line_of_a_user_counts_also_when_it_is_bad() -> None:
    other = bcrypt.hashpw(b"new", bcrypt.gensalt(4)).decode()
    assert parse(f"ann:{QUICK}\nann:{other}\n").hashes == {"ann": other}
    assert parse(f"ann:{QUICK}\nann:$apr1$x\n").hashes == {}
