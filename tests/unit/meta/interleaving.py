"""Every order in which the store calls of a few actors can interleave.

An actor is a function that is given a :class:`Store` of its own and runs in a thread that moves only when it is told to: each
call of the store is one step. :func:`every_interleaving` runs a fresh world once for each possible order of steps.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from holdfast.meta.store import Store

    Actor: TypeAlias = Callable[[Store], object]
    Scene: TypeAlias = Callable[[], tuple[Store, Sequence[Actor]]]

STEPS = ("get", "get_many", "range", "txn")
_PATIENCE_SECONDS = 30.0


class SteppedStore:
    """Waits before each call until the director lets it go on."""

    def __init__(self, store: Store, role: Role) -> None:
        self._store = store
        self._role = role

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        assert name in STEPS, f"{name} is no step"

        def step(*args: object, **options: object) -> object:
            self._role.pause()
            return method(*args, **options)

        return step


class Role:
    """One actor in its thread, stopped before its next step, or done."""

    def __init__(self, actor: Actor, store: Store) -> None:
        self.done = False
        self.error: Exception | None = None
        self._go = threading.Semaphore(0)
        self._stopped = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._play, args=(actor, SteppedStore(store, self)), daemon=True)
        self._thread.start()
        self._wait()

    def step(self) -> None:
        self._go.release()
        self._wait()

    def pause(self) -> None:
        self._stopped.release()
        self._go.acquire()

    def _wait(self) -> None:
        assert self._stopped.acquire(timeout=_PATIENCE_SECONDS), "an actor neither steps nor ends"

    def _play(self, actor: Actor, store: Any) -> None:
        try:
            actor(store)
        except Exception as error:  # noqa: BLE001 - shown by the director, in the test's own thread
            self.error = error
        self.done = True
        self._stopped.release()


def every_interleaving(scene: Scene) -> Iterator[tuple[Store, list[int]]]:
    """The world after each possible run, with the order of steps that led there.

    An exception that leaves an actor is raised here, with the order as a note.
    """
    order: list[int] = []
    while True:
        store, order, choices = _run(scene, order)
        yield store, order
        # The next order: the last step at which another actor could have moved instead, and did not yet.
        while order and not any(other > order[-1] for other in choices[len(order) - 1]):
            order.pop()
        if not order:
            return
        last = order.pop()
        order.append(min(other for other in choices[len(order)] if other > last))


def _run(scene: Scene, prefix: Sequence[int]) -> tuple[Store, list[int], list[list[int]]]:
    store, actors = scene()
    roles = [Role(actor, store) for actor in actors]
    order: list[int] = []
    choices: list[list[int]] = []
    while moving := [number for number, role in enumerate(roles) if not role.done]:
        chosen = prefix[len(order)] if len(order) < len(prefix) else moving[0]
        order.append(chosen)
        choices.append(moving)
        roles[chosen].step()
    for role in roles:
        if role.error is not None:
            role.error.add_note(f"order of steps: {order}")
            raise role.error
    return store, order, choices
