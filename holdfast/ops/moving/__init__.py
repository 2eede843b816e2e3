"""Moving in and out: ``holdfast import`` and ``holdfast export``.

    sources        what can be moved: the port
    folder         files below a directory, never through a link
    layouts        sources: an OCI layout, and zot's root directory, which is one of them for each repository
    distribution   source: the root directory of distribution (docker-registry 2, registry 3)
    remote         source: a registry that runs
    recognized     which of them something is
    trees          a repository's manifests, and what each of them needs before it
    copying        a repository to a registry, children first, tags last
    bodies         blobs on their way, several at a time, each once
    giving         files that become blobs by another name of theirs, without a copy
    outcomes       what has become of each repository
    filling        a repository fetched into a layout
    shelving       an OCI layout that is written
    telling        how a run is told, and its exit code
    meter          bytes that have moved, as a bar and as a limit

Promises: everything goes through the registry's own API, so rights, quotas and checks are those of a push, and nothing is taken
that does not have its digest. A source is only read. Each step asks what is there before it sends: a run that was cut off
anywhere is gone on with by the same command.
"""
