"""Hashes of passwords: bcrypt, sha256-crypt and sha512-crypt; those that htpasswd and htpasswd's successors write.

Promises: comparing takes the time that the hash asks for, whether it fits or not. A password is compared by its UTF-8 bytes; bcrypt
looks at the first 72 of them, as every htpasswd does.

Never: makes a hash weaker than bcrypt's cost 10, logs or keeps a password.
"""

from __future__ import annotations

import re
from typing import Final

import bcrypt
from passlib.hash import sha256_crypt, sha512_crypt

_BCRYPT: Final = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}", re.ASCII)
_BCRYPT_BYTES: Final = 72
_COST: Final = 10
# What asks for more rounds than a login can wait for is a mistake of whoever wrote the file, or worse.
_MOST_ROUNDS: Final = 5_000_000
_ROUNDS: Final = re.compile(r"\$[56]\$rounds=([0-9]{1,9})\$", re.ASCII)


def problem_of(hashed: str) -> str | None:
    """Why a hash cannot be used; None when it can."""
    if hashed.startswith("$2"):
        return None if _BCRYPT.fullmatch(hashed) else "a bcrypt hash that is cut or malformed"
    if hashed.startswith(("$5$", "$6$")):
        scheme = sha256_crypt if hashed.startswith("$5$") else sha512_crypt
        if not scheme.identify(hashed) or len(hashed) < len("$5$$") + 43:
            return "a sha-crypt hash that is cut or malformed"
        rounds = _ROUNDS.match(hashed)
        return "more rounds than a login can wait for" if rounds and int(rounds[1]) > _MOST_ROUNDS else None
    if hashed.startswith(("$apr1$", "$1$")):
        return "an MD5 hash"
    if hashed.startswith("{SHA}"):
        return "a SHA-1 hash"
    return "no hash that is known (crypt, or the password itself?)"


def fits(password: str, hashed: str) -> bool:
    """Whether it is the password of a hash that has no problem."""
    if "\0" in password:
        return False
    if not hashed.startswith("$2"):
        scheme = sha256_crypt if hashed.startswith("$5$") else sha512_crypt
        return bool(scheme.verify(password, hashed))
    return bcrypt.checkpw(password.encode()[:_BCRYPT_BYTES], hashed.encode())


def hash_of(password: str) -> str:
    """A new bcrypt hash. Raises ValueError: the password is empty, has a NUL, or is longer than bcrypt looks at."""
    data = password.encode()
    if not data or b"\0" in data or len(data) > _BCRYPT_BYTES:
        raise ValueError(f"a password has 1 to {_BCRYPT_BYTES} bytes, and no NUL among them")
    return bcrypt.hashpw(data, bcrypt.gensalt(_COST)).decode()
