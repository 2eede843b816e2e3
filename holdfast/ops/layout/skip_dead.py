"""``holdfast layout skip-dead``: do not wait any longer for a node that is not coming back.

Promises: the node is declared removed, so that it holds no layout back; says which partitions may be lost with it, and wants
``--force`` if there are any. Refused for a node that is alive (drain it) and for one that nobody waits for.
"""

from __future__ import annotations

from holdfast.meta.members import Intent
from holdfast.ops import console, picture
from holdfast.ops.console import counted
from holdfast.ops.node.holding import at_risk, owned
from holdfast.ops.reach import AsJson, ConfigFile, Force, Node, Yes, reached


def skip_dead(
    node: Node, config: ConfigFile = None, yes: Yes = False, force: Force = False, json_output: AsJson = False
) -> None:
    """Declare a dead node gone for good, so that the change of layout under way does not wait for it."""
    with reached(config) as cluster:
        seen = picture.read(cluster)
        member = picture.find(seen, node)
        name = member.node_id
        if name in seen.view.alive:
            raise console.refuse([f"node {name} is alive; `holdfast node drain` brings what it holds to the others"])
        if name not in seen.waited_for:
            raise console.refuse([f"no change of layout waits for node {name}; `holdfast layout show` tells for whom"])
        risk = at_risk(seen, name)
        if risk:
            numbers = console.listed((f"{number:03x}" for number in risk), 16)
            what = f"{counted(len(risk), 'partition')} have no other living owner and may be lost: {numbers}"
            if not force:
                raise console.refuse([what, "nothing was changed; bring one of their owners back, or add --force"])
            console.warn(what)
        console.require_yes(f"Give up node {name} ({member.address}) for good?", yes=yes)
        cluster.members.order(name, intent=Intent.REMOVED)
    if json_output:
        console.show_json({"node": name, "removed": True, "atRisk": list(risk)})
    else:
        share = (
            "; the newest layout names it: run `holdfast layout apply` when this change is done"
            if owned(seen, name)
            else ""
        )
        console.show(f"node {name} is removed and no longer waited for{share}")
