"""Every state that many actors can reach together: the real code of each is run once for each thing that it can come to know.

``exploring`` runs all actors again for every state. Here an actor is asked for its next step only once for each history of its
own (a :class:`Place`), whatever the others did meanwhile, and each step is taken only once for each world in which it can happen.
What is left of a state are a few numbers, and a million of them are looked at in a minute.

Two states count as one only if everything that can follow is the same, up to names:

  * Revisions and stamps are names: who gets one holds a :class:`Known`, which is good for nothing but to be handed back, and to be
    equal or not (any other use is a TypeError). None comes twice, so one that has been overtaken never counts again: which of them
    an actor holds does not matter, only whether each is still the one that stands.
  * What an actor no longer holds a reference to, it cannot use. Which ``Known`` it still holds is asked of Python itself.
  * Where an actor begins anew it says so, with all that it still knows (``Role.anew``): places that agree in this are one place.
    That nothing else is held is checked as far as ``Known`` go, and that both ask for the same next step.
  * Operation ids tell one transaction from another when an answer was lost. None is lost here, so they are blanked where they
    stand; no id that is yet to come equals a blank.

Refused, since it would not be sound: clocks that move, manifests and their refs (incarnations are ids that matter).
"""

from __future__ import annotations

import itertools
import weakref
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from greenlet import greenlet

from holdfast.meta.store import Entry, KeyAt, RangeNotAfter, RangePage, Snapshot, TxnResult

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

# What a revision or a stamp is of: a key of the store, or a copy on a node.
Of: TypeAlias = "tuple[str, Hashable]"
Content: TypeAlias = Any
STANDING: Final = 1_000_000


class Stage(Protocol):
    """The world, for one step at a time. Whatever stands when it is loaded has the revision and the stamp :data:`STANDING`."""

    def actors(self) -> Sequence[Callable[[Any], object]]: ...

    def effects(self) -> Hashable:
        """What the actors have told otherwise than by steps."""

    def name_of(self, target: object) -> str: ...

    def named(self, name: str) -> Any: ...

    def load(self, content: Content) -> None: ...

    def content(self) -> Content:
        """Without revisions and stamps."""

    def changed(self) -> frozenset[Of]:
        """What has another revision or stamp than STANDING, or has appeared."""


class Known:
    """A revision or a stamp as an actor holds it."""

    __slots__ = ("__weakref__", "number", "of")

    def __init__(self, of: Of, number: int) -> None:
        self.of = of
        self.number = number

    def __repr__(self) -> str:
        raise TypeError("what a revision is called means nothing")

    __str__ = __repr__


@dataclass(frozen=True)
class Held:
    """As it stands in a request that is kept: to keep Known would be to say that the actor still holds it."""

    of: Of
    number: int


class _Page:
    """As RangePage. Of which revision it is may be asked before anything else happens, for its own range."""

    def __init__(self, page: RangePage, run: _Run) -> None:
        self.entries = page.entries
        self.more = page.more
        self._of = ("range", run.asked[:2])
        self._run = run
        self._step = len(run.history)

    @property
    def revision(self) -> Known:
        if self._step != len(self._run.history):
            raise TypeError("of which revision it was, nobody remembers")
        return self._run.known(self._of, {})


@dataclass(eq=False)
class Place:
    """Where an actor stands: before ``request``, or done. ``held``: what it knows, by number."""

    actor: int
    history: tuple[Any, ...]
    request: tuple[Any, ...] | None
    held: dict[int, Of]
    effects: Hashable
    error: Exception | None
    number: int
    after: dict[Hashable, tuple[Place, dict[int, int]]] = field(default_factory=dict)
    run: _Run | None = None


@dataclass(frozen=True)
class Stance:
    """A place, and which of what is held there still stands."""

    place: Place
    standing: frozenset[int]


class _Run:
    """An actor's greenlet in a world of its own, of which it gets to know by answers only. It is its own role."""

    def __init__(self, stage: Stage, number: int) -> None:
        self.name = f"actor {number}"
        self.error: Exception | None = None
        self.mark: tuple[Hashable, tuple[int, ...]] | None = None
        self.history: tuple[Any, ...] = ()
        self._stage = stage
        self._known: weakref.WeakValueDictionary[int, Known] = weakref.WeakValueDictionary()
        self._numbers = itertools.count()
        self._director = greenlet.getcurrent()
        actor = stage.actors()[number]
        self._actor = greenlet(lambda: self._play(actor))
        self.request: tuple[Any, ...] | None = self._actor.switch()

    # --- as exploring.Role

    def stepped(self, target: object) -> Any:
        return _Asking(self._stage.name_of(target), self)

    def told(self, answer: object) -> None:
        """The clock does not move here."""

    def anew(self, *known: object) -> None:
        held: list[int] = []
        self.mark = (_shape(known, held), tuple(held))

    # --- for the explorer

    @property
    def effects(self) -> Hashable:
        return self._stage.effects()

    def held(self) -> dict[int, Of]:
        return {number: known.of for number, known in sorted(self._known.items())}

    @property
    def asked(self) -> tuple[Any, ...]:
        assert self.request is not None
        return tuple(self.request[2])

    def go_on(self, answer: Any, reused: dict[Of, int]) -> None:
        self.history = (*self.history, (answer, reused))
        self.mark = None
        told = self._live(answer, {of: self._known[number] for of, number in reused.items()})
        self.request = None
        self.request = self._actor.switch(told)

    def ask(self, request: tuple[Any, ...]) -> Any:
        return self._director.switch(request)

    def abandon(self) -> None:
        if not self._actor.dead:
            self._actor.throw()

    def _play(self, actor: Callable[[Any], object]) -> None:
        try:
            actor(self)
        except Exception as error:  # noqa: BLE001 - shown by who looks at the end
            self.error = error.with_traceback(None)

    def known(self, of: Of, had: dict[Of, Known]) -> Known:
        if of not in had:
            had[of] = Known(of, next(self._numbers))
            self._known[had[of].number] = had[of]
        return had[of]

    def _live(self, answer: Any, had: dict[Of, Known]) -> Any:
        """The answer with things that can only be compared where it names revisions and stamps."""

        def entry(found: Entry) -> Entry:
            return replace(found, mod_revision=self.known(("key", found.key), had), create_revision=None)

        if isinstance(answer, Entry):
            return entry(answer)
        if isinstance(answer, RangePage):
            return _Page(replace(answer, entries=tuple(map(entry, answer.entries))), self)
        if isinstance(answer, Snapshot):
            return Snapshot(None, {key: entry(found) for key, found in answer.entries.items()})  # type: ignore[arg-type]
        if isinstance(answer, TxnResult):
            return replace(answer, revision=None, found={key: entry(found) for key, found in answer.found.items()})
        if isinstance(answer, list):
            return [replace(blob, stamp=self.known(("stamp", blob.stamp), had)) for blob in answer]
        return answer


class _Asking:
    """Each call a step."""

    def __init__(self, name: str, run: _Run) -> None:
        self._name = name
        self._run = run

    def __getattr__(self, method: str) -> Any:
        return lambda *args, **options: self._run.ask((self._name, method, args, options))


@dataclass(frozen=True)
class Move:
    """What a step does: the world after it, where the actor stands then, and what has another revision or stamp now."""

    content: int
    stance: int
    changed: frozenset[Of]


class Memory:
    """Every step of every actor, taken once. Contents and stances are numbers here: places in ``contents`` and ``stances``."""

    def __init__(self, scene: Callable[[], Stage]) -> None:
        self._scene = scene
        self._stage = scene()
        self._content_numbers: dict[Content, int] = {}
        self._stance_numbers: dict[Stance, int] = {}
        self.contents: list[Content] = []
        self.stances: list[Stance] = []
        self._places: dict[Hashable, tuple[Place, tuple[int, ...]]] = {}
        self.places = 0
        self._moves: dict[tuple[int, int], Move] = {}
        self._stale: dict[tuple[int, frozenset[Of]], int] = {}

    def start(self) -> tuple[int, tuple[int, ...]]:
        """The world and the stances before anybody has moved."""
        runs = [_Run(self._scene(), number) for number in range(len(self._stage.actors()))]
        stances = [Stance(self._place(number, run)[0], frozenset()) for number, run in enumerate(runs)]
        return self._content(self._stage.content()), tuple(map(self._stance, stances))

    def move(self, content: int, stance: int) -> Move:
        found = self._moves.get((content, stance))
        if found is None:
            found = self._moves[content, stance] = self._moved(content, self.stances[stance])
        return found

    def overtaken(self, stance: int, changed: frozenset[Of]) -> int:
        """The stance of somebody else after a step."""
        found = self._stale.get((stance, changed))
        if found is None:
            place, standing = self.stances[stance].place, self.stances[stance].standing
            _refuse_ranges(place, changed)
            left = Stance(place, frozenset(number for number in standing if place.held[number] not in changed))
            found = self._stale[stance, changed] = self._stance(left)
        return found

    def _moved(self, content: int, stance: Stance) -> Move:
        place = stance.place
        assert place.request is not None, "who is done does not move"
        name, method, args, options = place.request
        self._stage.load(self.contents[content])
        answer = _nameless(getattr(self._stage.named(name), method)(*_concrete(args, stance.standing), **options), name)
        changed = self._stage.changed()
        _refuse_ranges(place, changed)
        standing = {number for number in stance.standing if place.held[number] not in changed}
        named = _named_in(answer)
        reused = {place.held[number]: number for number in standing if place.held[number] in named}
        after, renamed = self._after(place, answer, reused)
        # What is held now and was not before came with this answer, and stands.
        mine = {theirs: number for number, theirs in renamed.items()}
        left = frozenset(n for n in after.held if mine[n] in standing or mine[n] not in place.held)
        return Move(self._content(self._stage.content()), self._stance(Stance(after, left)), changed)

    def _after(self, place: Place, answer: Any, reused: dict[Of, int]) -> tuple[Place, dict[int, int]]:
        key = (repr(answer), tuple(sorted(reused.items(), key=repr)))
        if key not in place.after:
            run, place.run = place.run or self._again(place), None
            run.go_on(answer, reused)
            place.after[key] = self._place(place.actor, run)
        return place.after[key]

    def _again(self, place: Place) -> _Run:
        run = _Run(self._scene(), place.actor)
        for answer, reused in place.history:
            run.go_on(answer, reused)
        return run

    def _place(self, actor: int, run: _Run) -> tuple[Place, dict[int, int]]:
        """Where it stands now, and what that place calls what this run knows."""
        held = run.held() if run.request is not None else {}
        made = Place(actor, run.history, _kept(run.request), held, run.effects, run.error, self.places, run=run)
        key: Hashable = None
        numbers: tuple[int, ...] = ()
        if run.request is None:
            key = (actor, "done", run.effects, repr(run.error))
        elif run.mark is not None:
            shape, numbers = run.mark
            assert set(held) <= set(numbers), "it begins anew, and knows more than it says"
            key = (actor, shape, run.effects)
        if key is not None and key in self._places:
            place, theirs = self._places[key]
            renamed = dict(zip(numbers, theirs, strict=True))
            assert _requested(made, numbers) == _requested(place, theirs), "it begins anew, and does something else"
            assert {renamed[number] for number in held} == set(place.held)
            made.run = None
            run.abandon()
            return place, renamed
        self.places += 1
        if key is not None:
            self._places[key] = (made, numbers)
        return made, {number: number for number in made.held}

    def _content(self, content: Content) -> int:
        if content not in self._content_numbers:
            self._content_numbers[content] = len(self.contents)
            self.contents.append(content)
        return self._content_numbers[content]

    def _stance(self, stance: Stance) -> int:
        if stance not in self._stance_numbers:
            self._stance_numbers[stance] = len(self.stances)
            self.stances.append(stance)
        return self._stance_numbers[stance]


def _refuse_ranges(place: Place, changed: frozenset[Of]) -> None:
    for kind, within in place.held.values():
        if kind == "range":
            start, end = within  # type: ignore[misc]
            assert not any(what == "key" and start <= key < end for what, key in changed), "see the top of this module"


def _nameless(answer: Any, teller: str) -> Any:
    """All revisions 0; stamps say what they are of."""
    if isinstance(answer, Entry):
        assert answer.mod_revision == STANDING
        return replace(answer, mod_revision=0, create_revision=0)
    if isinstance(answer, RangePage):
        return replace(answer, revision=0, entries=tuple(_nameless(entry, teller) for entry in answer.entries))
    if isinstance(answer, Snapshot):
        return Snapshot(0, {key: _nameless(entry, teller) for key, entry in answer.entries.items()})
    if isinstance(answer, TxnResult):
        return replace(answer, revision=0, found={key: _nameless(entry, teller) for key, entry in answer.found.items()})
    if isinstance(answer, list):
        return [replace(blob, stamp=(teller, blob.digest)) for blob in answer]
    assert answer is None or isinstance(answer, bool)
    return answer


def _named_in(answer: Any) -> set[Of]:
    if isinstance(answer, Entry):
        return {("key", answer.key)}
    if isinstance(answer, RangePage):
        return {("key", entry.key) for entry in answer.entries}
    if isinstance(answer, Snapshot):
        return {("key", key) for key in answer.entries}
    if isinstance(answer, TxnResult):
        return {("key", key) for key in answer.found}
    return {("stamp", blob.stamp) for blob in answer} if isinstance(answer, list) else set()


def _kept(value: Any) -> Any:
    return _with(value, lambda known: Held(known.of, known.number))


def _concrete(value: Any, standing: frozenset[int]) -> Any:
    """With numbers for what is known: that of what stands, or one that nothing has."""

    def number(known: Held) -> object:
        revision = STANDING if known.number in standing else known.number + 1
        return str(revision) if known.of[0] == "stamp" else revision

    return _with(value, number)


def _with(value: Any, put: Callable[[Any], Any]) -> Any:
    """Something else in place of what is known."""
    if isinstance(value, (Known, Held)):
        return put(value)
    if isinstance(value, KeyAt):
        known = value.mod_revision
        assert known == 0 or getattr(known, "of", None) == ("key", value.key)
        return replace(value, mod_revision=_with(known, put))
    if isinstance(value, RangeNotAfter):
        known = value.revision
        assert known == 0 or getattr(known, "of", None) == ("range", (value.start, value.end))
        return replace(value, revision=_with(known, put))
    if isinstance(value, (list, tuple)):
        return type(value)(_with(one, put) for one in value)
    return value


def _shape(value: Any, held: list[int]) -> Hashable:
    """Equal for equal values, but for what is known, which is numbered as it comes."""
    if isinstance(value, (Known, Held)):
        if value.number not in held:
            held.append(value.number)
        return ("known", held.index(value.number), value.of)
    if isinstance(value, (list, tuple)):
        return tuple(_shape(one, held) for one in value)
    if isinstance(value, dict):
        return tuple((key, _shape(one, held)) for key, one in value.items())
    if is_dataclass(value):
        return (type(value).__name__, *(_shape(getattr(value, part.name), held) for part in fields(value)))
    return repr(value)


def _requested(place: Place, numbers: Sequence[int]) -> Hashable:
    return _shape(place.request, list(numbers))
