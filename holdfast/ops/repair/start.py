"""``holdfast repair start``: ask every node for a round now. Changes nothing that they would not do at their next turn."""

from __future__ import annotations

from holdfast.meta.tasks import ask_for_repair
from holdfast.ops import console
from holdfast.ops.reach import AsJson, ConfigFile, Timeout, Wait, reached
from holdfast.ops.repair.progress import follow_round
from holdfast.replicas.access import new_id


def start(config: ConfigFile = None, wait: Wait = False, timeout: Timeout = 0.0, json_output: AsJson = False) -> None:
    """Have every node compare its copies with the others' now, and make what is missing."""
    with reached(config) as cluster:
        asked = ask_for_repair(cluster.metadata, new_id)
        if wait:
            follow_round(cluster, asked, timeout)
    if json_output:
        console.show_json({"asked": asked, "done": wait})
    else:
        console.show(
            "all nodes have compared their copies"
            if wait
            else "asked for; `holdfast repair status` tells how far it is"
        )
