"""The sync worker: asks other registries on behalf of the gateways, and brings what they have to storage nodes;
and copies to others what is here.

    upstream/            the client of other registries
    sources              which of them to ask for a repository, one after the other
    tags                 what a tag stands for, checked as often as is right
    manifests            storing what was fetched, as coming from upstream
    referrers            what belongs to a manifest: signatures, attestations, bills of material
    signatures           what may come where only signed images are mirrored
    ahead                what clients will ask for next
    refused              what upstreams have just refused
    fetching, flight,
    aloft                a blob from an upstream into an upload that others follow, once in the whole cluster
    opening, leftovers   an upstream asked ahead, and what fetches of the dead have left
    linking              a stored blob becomes a repository's
    jobs                 what one configured mirror has to have copied: the seam to what runs it
    pulling, copying     from an upstream: which images, and the whole of one
    pushing/             to another registry: the same the other way round, and what was pushed here copied at once
    schedule             when a mirror is due
    share, leash         one worker's share of a run, and how far it may go
    rounds, configured   the mirrors of a worker, each watched
    keeping/             what goes from caches that are full or old
    looking, metrics     what it is at and has counted, for operators
    worker               what gateways and operators ask, as one service
    servicer, server     that over gRPC
    options, assembly    how a configuration becomes all of this

Never: serves a client of the registry.
"""
