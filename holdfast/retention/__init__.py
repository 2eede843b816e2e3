"""What a repository keeps, by zot's retention policies: rules alone. What carries them out is ``holdfast.meta.retiring``.

As zot documents it ("Configuring zot Tag Retention Policies")
  * The first policy with a glob that matches a repository counts. A policy without globs is the default for all that is left. A
    repository that no policy matches keeps everything.
  * Without keepTags every tag stays. With it, a tag stays if any entry keeps it: an entry without patterns is for all tags, one
    without rules keeps whatever it is for, and else one of its rules has to hold. Every other tag goes, at once: ``delay`` is not
    for tags.
  * What has no tag goes with deleteUntagged once it is older than ``delay``, unless a manifest that stays references it, it refers
    to a subject itself, or a rule of keepUntagged holds. With deleteReferrers, what refers to a subject that is gone goes once it
    is older than ``delay``.
  * Manifests that lose their last tag, the index around them, or their subject this way go in the same pass.

Where zot is surprising
  * Patterns are searched, not matched: ``v2.*`` is found in ``dev2``. Anchor them.
  * A tag that was pushed a moment ago and that no entry keeps goes with the next pass.
  * ``pulledWithin`` also keeps what was pushed so recently, so that nobody has to pull what is new.
  * A subject is not kept by what refers to it: an untagged image goes, signed or not.
  * Tags that cosign makes (``sha256-<digest>.sig``) are judged as what refers to that digest, not by keepTags.
  * What is mirrored is judged alike. A periodic mirror brings back what it still lists, on-demand mirroring what is asked for.

Where its documentation and its program differ, what either keeps stays
  * Its program judges a tag by the first entry that matches alone; its documentation, by all of them. So "most recent N" counts
    among all tags that an entry matches, and once more among those that no earlier entry does.
  * Its program deletes what refers to a missing subject also if one tag names it; its documentation retains tags always. A tag
    that stays keeps it.

Ours: where there is no policy at all, everything stays; in zot what has no tag goes then. ``{"repositories": ["**"]}`` is a policy
that does as zot. ``sha256-<digest>`` for an index (the tag of distribution-spec for clients without a referrers API) and cosign's
``.att`` and ``.sbom`` are judged as ``.sig``. Nothing goes by ``pulledWithin`` while pulls were not counted for that long, and
nothing older than the counting by ``mostRecentlyPulledCount`` N before N of them were pulled.
"""
