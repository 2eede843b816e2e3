"""``holdfast node drain`` and ``undrain``: take a node out of the data path, or back into it.

Promises: a drained node goes on serving what it holds until the others have it; nothing is lost and no client notices. Shows what
will move and asks. The operator's word is written first, so that a command that is interrupted is finished by running it again.

``undrain`` takes the node back; in the middle of a drain it wants ``--force``, as every change of an unfinished one does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from holdfast.meta.members import Intent
from holdfast.ops import console, picture
from holdfast.ops.layout import planned, progress
from holdfast.ops.layout.proposal import Wishes, propose
from holdfast.ops.node.asking import follow_emptying
from holdfast.ops.reach import AsJson, ConfigFile, Force, Node, Timeout, Wait, Yes, reached

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.meta.members import Member
    from holdfast.ops.layout.planned import Planned
    from holdfast.ops.layout.proposal import Proposal
    from holdfast.ops.picture import Picture
    from holdfast.replicas.access import ClusterAccess


@dataclass(frozen=True, slots=True)
class _Turn:
    """A node whose part is to change, and how the operator wants it done."""

    cluster: ClusterAccess
    seen: Picture
    member: Member
    yes: bool
    force: bool
    wait: bool
    timeout_seconds: float
    json_output: bool


def _command(turned: Callable[[_Turn], None]) -> Callable[..., None]:
    """Both commands are called alike: the arguments and options, once."""

    def command(
        node: Node,
        config: ConfigFile = None,
        yes: Yes = False,
        force: Force = False,
        wait: Wait = False,
        timeout: Timeout = 0.0,
        json_output: AsJson = False,
    ) -> None:
        with reached(config) as cluster:
            seen = picture.read(cluster)
            turned(_Turn(cluster, seen, _standing(seen, node), yes, force, wait, timeout, json_output))

    # What typer calls it and says of it. Its options must stay the ones above, so `functools.wraps` is not for this.
    command.__name__, command.__doc__ = turned.__name__, turned.__doc__
    return command


@_command
def drain(turn: _Turn) -> None:
    """Bring everything that a node holds to the others, and give it nothing more. Then it can be removed."""
    node_id = turn.member.node_id
    if node_id not in turn.seen.view.alive:
        typer.echo(
            f"holdfast: node {node_id} is down: the others make its copies from their own; if it is not coming"
            " back, `holdfast node remove` is what you want",
            err=True,
        )
    _carry_out(turn, Intent.DRAINING, propose(turn.seen, Wishes(), leaving=[node_id]))
    if turn.wait:
        follow_emptying(turn.cluster, node_id, turn.timeout_seconds)
        if not turn.json_output:
            console.show(f"node {node_id} holds nothing: `holdfast node remove {node_id}` ends it")


@_command
def undrain(turn: _Turn) -> None:
    """Take a drained node, or one that is being drained, back in."""
    proposal = propose(turn.seen, Wishes(), joining=[turn.member.node_id])
    _carry_out(turn, Intent.PRESENT, proposal)
    if turn.wait and turn.seen.newest is not None:
        version = proposal.layout.version if proposal.is_change else 0
        progress.follow_change(turn.cluster, version, turn.timeout_seconds)


def _standing(seen: Picture, node: str) -> Member:
    member = picture.find(seen, node)
    if member.orders.intent is Intent.REMOVED:
        raise console.refuse([f"node {member.node_id} was removed; start a new one on an empty data directory"])
    return member


def _carry_out(turn: _Turn, intent: Intent, proposal: Proposal) -> None:
    """The order, and the layout that follows from it. Before the first layout the order is all there is."""
    member, seen = turn.member, turn.seen
    changes_layout = seen.newest is not None and proposal.is_change
    found = planned.weighed(turn.cluster, seen, proposal)
    if not turn.json_output and changes_layout:
        console.show(*planned.describe(found))
    if changes_layout and proposal.refusals and not turn.force:
        raise console.refuse(["nothing was changed; --force does it all the same", *proposal.refusals])
    if changes_layout or member.orders.intent is not intent:
        word = "Drain" if intent is Intent.DRAINING else "Take back"
        console.require_yes(f"{word} node {member.node_id} ({member.address})?", yes=turn.yes)
    turn.cluster.members.order(member.node_id, intent=intent)
    if changes_layout:
        turn.cluster.book.publish(proposal.layout, seen.view.live)
    _tell(member, intent, found, changes_layout=changes_layout, json_output=turn.json_output)


def _tell(member: Member, intent: Intent, found: Planned, *, changes_layout: bool, json_output: bool) -> None:
    if json_output:
        console.show_json(
            {
                "node": member.node_id,
                "intent": intent.name.lower(),
                "layout": planned.as_json(found) if changes_layout else None,
            }
        )
        return
    word = "is being drained" if intent is Intent.DRAINING else "takes part again"
    layout = f"layout {found.proposal.layout.version} is live" if changes_layout else "no layout changed"
    console.show(f"node {member.node_id} {word}; {layout}")
