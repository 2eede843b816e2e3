"""``holdfast node remove``: a node leaves for good; its id never comes back.

Promises: refused while a live layout gives the node partitions, while it holds copies, and while it may hold the last copy of
anything. ``--force`` does it all the same, after saying what may be lost.

After a forced removal a layout may still name the node: `holdfast layout apply` gives its share to the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.meta.members import Intent
from holdfast.ops import console, picture
from holdfast.ops.node.asking import ask
from holdfast.ops.node.holding import at_risk, owned, reasons_to_keep
from holdfast.ops.reach import AsJson, ConfigFile, Force, Node, Yes, reached

if TYPE_CHECKING:
    from holdfast.ops.picture import Picture


def remove(
    node: Node, config: ConfigFile = None, yes: Yes = False, force: Force = False, json_output: AsJson = False
) -> None:
    """Let a node go for good. Drain it first; for one whose disk is lost: --force, then `layout apply`."""
    with reached(config) as cluster:
        seen = picture.read(cluster)
        member = picture.find(seen, node)
        name = member.node_id
        is_gone = member.orders.intent is Intent.REMOVED
        risk = at_risk(seen, name)
        if not is_gone:
            copies = ask(cluster, name) if name in seen.view.alive else None
            reasons = reasons_to_keep(seen, member, copies)
            if reasons and not force:
                raise console.refuse([*reasons, "nothing was changed; --force removes it all the same"])
            for reason in reasons:
                console.warn(reason)
            console.require_yes(f"Remove node {name} ({member.address}) for good?", yes=yes)
            cluster.members.order(name, intent=Intent.REMOVED)
    if json_output:
        console.show_json({"node": name, "removed": not is_gone, "atRisk": list(risk)})
    else:
        console.show(_outcome(seen, name, is_gone=is_gone))


def _outcome(seen: Picture, name: str, *, is_gone: bool) -> str:
    if is_gone:
        return f"node {name} was removed before"
    then = [f"node {name} is removed"]
    if owned(seen, name):
        then.append("run `holdfast layout apply` to give its share to the others")
    if name in seen.view.alive:
        then.append("stop its process; its data directory is of no more use")
    return "; ".join(then)
