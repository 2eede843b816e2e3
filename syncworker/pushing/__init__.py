"""Copying what is here to other registries: ``direction: push`` entries of the configuration.

    holdings     what is here, read for copying, and fetched first where a mirrored image's blobs are not
    blobs        bringing blobs to the target, several at a time, by mounts where that works
    images       one manifest with all below it, children first
    attached     what belongs to an image: referrers, and cosign's tags
    meter        bytes that have moved, and the word to stop
    job          one entry as a job that is driven like that of a periodic mirror
    changes      what was pushed here, told soon after
    following    copying that at once, beside the runs that compare everything
    assembly     how an entry of the configuration becomes a job

Promises: manifests arrive exactly as they are stored, a tag after all that it needs. What the target has is not sent again.

Never: deletes anything at a target. What is deleted here stays there.
"""
