"""What an operator writes to say which repositories, tags and platforms are meant.

    expressions   regular expressions, in time linear in what they are matched against
    globs         doublestar's globs
    platforms     os/architecture/variant
    renaming      a glob, a destination, and what a repository is called on the other side

Promises: a text that compiles here matches here, so what the configuration accepts is what the rules carry out.

Never: I/O, a clock, a configuration; the blocks of the configuration hold these texts, and know nothing of what they mean.
"""
