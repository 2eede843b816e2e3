"""``holdfast layout``: which nodes hold which part of the data.

    plan         what apply would do; changes nothing
    apply        give every present node its share
    show         the layouts that are live, and who is waited for
    history      every layout that was ever applied
    skip-dead    do not wait for a dead node any longer

Exit codes: 0 done, 1 refused (with the reason) or the cluster did not answer, 2 wrong usage, 78 the configuration is refused.
"""

from __future__ import annotations

import typer

from holdfast.ops.layout.apply import apply
from holdfast.ops.layout.history import history
from holdfast.ops.layout.plan import plan
from holdfast.ops.layout.show import show
from holdfast.ops.layout.skip_dead import skip_dead

app = typer.Typer(
    help="Which storage nodes hold which part of the data. Nothing is stored before a first layout is applied.",
    no_args_is_help=True,
)
app.command()(plan)
app.command()(apply)
app.command()(show)
app.command()(history)
app.command("skip-dead")(skip_dead)
