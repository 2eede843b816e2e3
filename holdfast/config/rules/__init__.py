"""Rules between settings: what no single value can be blamed for.

Promises: each rule is a function from ``Settings`` to findings, in the module of the part it judges; ``RULES`` holds them
all. A finding names the key to change. It lists the keys that it ``reads`` besides, so that ``check`` can leave it out
when one of those was refused already and what the rule saw in its place is only a default.

Never: touches a file or a network; files named in a configuration are opened when the feature that needs them starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.config.rules.access import ACCESS_RULES
from holdfast.config.rules.cluster import CLUSTER_RULES
from holdfast.config.rules.contents import CONTENT_RULES
from holdfast.config.rules.extensions import EXTENSION_RULES
from holdfast.config.rules.http import HTTP_RULES
from holdfast.config.rules.mirrors import MIRROR_RULES
from holdfast.config.rules.objects import OBJECT_RULES
from holdfast.config.rules.storage import STORAGE_RULES
from holdfast.config.rules.sync_credentials import SYNC_CREDENTIAL_RULES

if TYPE_CHECKING:
    from holdfast.config.rules.finding import Rule

RULES: Final[tuple[Rule, ...]] = (
    *STORAGE_RULES,
    *OBJECT_RULES,
    *HTTP_RULES,
    *CLUSTER_RULES,
    *ACCESS_RULES,
    *EXTENSION_RULES,
    *MIRROR_RULES,
    *CONTENT_RULES,
    *SYNC_CREDENTIAL_RULES,
)
