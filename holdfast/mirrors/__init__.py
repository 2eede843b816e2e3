"""What is mirrored, from where, and what is done about it: rules without I/O.

    entries      the configured mirrors, under lasting names
    namespaces   which host is meant by a URL or by a client's ?ns=
    ways         one content entry of one upstream, compiled from the configuration
    routes       a repository here -> who may be asked, under which name; and back
    policy       cache, local or both; who may push where
    selection    which tags, which platforms, only signed ones; what belongs to a digest
    children     an index's children, with their platforms
    freshness    when a tag is checked, and what is answered when it cannot be
    plan         what to fetch for a manifest, in which order
    keeping      what goes from a cache that is full or old

The gateway asks routes, policy and freshness; the sync worker all of them.

Never: I/O, a clock, a request; times are arguments in seconds of one monotonic clock.
"""
