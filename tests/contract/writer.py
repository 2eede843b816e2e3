"""A second process for the contract suite: ``python -m tests.contract.writer KIND ADDRESS TASK ARGUMENT``.

increment N     add 1 to b"counter" N times by compare-and-swap
append PREFIX   put PREFIX/0, PREFIX/1, ... until killed; each line printed is a number that was acknowledged
read KEY        print the value
"""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING

from holdfast.meta.store import KeyAt, Put
from tests.contract.adapters import open_store

if TYPE_CHECKING:
    from holdfast.meta.store import Store


def increment(store: Store, key: bytes) -> None:
    while True:
        entry = store.get(key)
        revision, number = (entry.mod_revision, int(entry.value)) if entry else (0, 0)
        if store.txn([KeyAt(key, revision)], [Put(key, b"%d" % (number + 1))]).succeeded:
            return


def main() -> None:
    kind, address, task, argument = sys.argv[1:]
    store = open_store(kind, address)
    if task == "increment":
        for _ in range(int(argument)):
            increment(store, b"counter")
    elif task == "append":
        for number in itertools.count():
            store.txn([], [Put(f"{argument}/{number}".encode(), b"")])
            print(number, flush=True)
    else:
        entry = store.get(argument.encode())
        print(entry.value.decode() if entry else "")
    store.close()


if __name__ == "__main__":
    main()
