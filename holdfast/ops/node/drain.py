"""``holdfast node drain`` and ``undrain``: take a node out of the data path, or back into it.

Promises: a drained node goes on serving what it holds until the others have it; nothing is lost and no client notices. Shows what
will move and asks. The operator's word is written first, so that a command that is interrupted is finished by running it again.

``undrain`` takes the node back; in the middle of a drain it wants ``--force``, as every change of an unfinished one does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.meta.members import Intent
from holdfast.ops import console, picture
from holdfast.ops.layout import planned, progress
from holdfast.ops.layout.proposal import Proposal, Wishes, propose
from holdfast.ops.node.asking import follow_emptying
from holdfast.ops.reach import AsJson, ConfigFile, Timeout, Wait, Yes, reached

if TYPE_CHECKING:
    from holdfast.meta.members import Member
    from holdfast.ops.layout.planned import Planned
    from holdfast.ops.picture import Picture
    from holdfast.replicas.access import ClusterAccess

Node = Annotated[str, typer.Argument(metavar="NODE", help="Id, the beginning of one, or address; see `node ls`.")]
Force = Annotated[bool, typer.Option("--force", help="Do it although it is refused.")]


def drain(
    node: Node,
    config: ConfigFile = None,
    yes: Yes = False,
    force: Force = False,
    wait: Wait = False,
    timeout: Timeout = 0.0,
    json_output: AsJson = False,
) -> None:
    """Bring everything that a node holds to the others, and give it nothing more. Then it can be removed."""
    with reached(config) as cluster:
        seen = picture.read(cluster)
        member = _standing(seen, node)
        if member.node_id not in seen.view.alive:
            typer.echo(
                f"holdfast: node {member.node_id} is down: the others make its copies from their own; if it is not coming"
                " back, `holdfast node remove` is what you want",
                err=True,
            )
        proposal = propose(seen, Wishes(), leaving=[member.node_id])
        _carry_out(cluster, seen, member, Intent.DRAINING, proposal, yes=yes, force=force, json_output=json_output)
        if wait:
            follow_emptying(cluster, member.node_id, timeout)
            if not json_output:
                console.show(f"node {member.node_id} holds nothing: `holdfast node remove {member.node_id}` ends it")


def undrain(
    node: Node,
    config: ConfigFile = None,
    yes: Yes = False,
    force: Force = False,
    wait: Wait = False,
    timeout: Timeout = 0.0,
    json_output: AsJson = False,
) -> None:
    """Take a drained node, or one that is being drained, back in."""
    with reached(config) as cluster:
        seen = picture.read(cluster)
        member = _standing(seen, node)
        proposal = propose(seen, Wishes(), joining=[member.node_id])
        _carry_out(cluster, seen, member, Intent.PRESENT, proposal, yes=yes, force=force, json_output=json_output)
        if wait and seen.newest is not None:
            progress.follow_change(cluster, proposal.layout.version if proposal.is_change else 0, timeout)


def _standing(seen: Picture, node: str) -> Member:
    member = picture.find(seen, node)
    if member.orders.intent is Intent.REMOVED:
        raise console.refuse([f"node {member.node_id} was removed; start a new one on an empty data directory"])
    return member


def _carry_out(
    cluster: ClusterAccess,
    seen: Picture,
    member: Member,
    intent: Intent,
    proposal: Proposal,
    *,
    yes: bool,
    force: bool,
    json_output: bool,
) -> None:
    """The order, and the layout that follows from it. Before the first layout the order is all there is."""
    changes_layout = seen.newest is not None and proposal.is_change
    found = planned.weighed(cluster, seen, proposal)
    if not json_output and changes_layout:
        console.show(*planned.describe(found))
    if changes_layout and proposal.refusals and not force:
        raise console.refuse(["nothing was changed; --force does it all the same", *proposal.refusals])
    if changes_layout or member.orders.intent is not intent:
        word = "Drain" if intent is Intent.DRAINING else "Take back"
        console.require_yes(f"{word} node {member.node_id} ({member.address})?", yes=yes)
    cluster.members.order(member.node_id, intent=intent)
    if changes_layout:
        cluster.book.publish(proposal.layout, seen.view.live)
    _tell(member, intent, found, changes_layout=changes_layout, json_output=json_output)


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
