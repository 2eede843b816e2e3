"""The configuration: zot's ``config.json``, complete, and our own keys.

    source   a file -> a tree                        (limits, JSON, YAML)
    shape    a tree -> keys as the models spell them (case, unknown and double keys)
    models   section, scalars; settings > storage, http (auth, access), extensions (sync), drivers
    rules    between settings
    check    all of it, every fault at once
    faults   what a fault is, and what is never shown

Whoever needs a setting imports from here; whoever needs the type of a block imports its module.
"""

from holdfast.config.availability import Effect, Feature, unavailable
from holdfast.config.check import Report, check, defaults, load, parse
from holdfast.config.faults import Fault
from holdfast.config.schema import json_schema
from holdfast.config.settings import Settings

__all__ = [
    "Effect",
    "Fault",
    "Feature",
    "Report",
    "Settings",
    "check",
    "defaults",
    "json_schema",
    "load",
    "parse",
    "unavailable",
]
