"""``holdfast bench``: load for any OCI registry, and what it did to it.

Promises
    The generator is cheap: own HTTP/1.1 on sockets, ``sendfile`` for uploads, one reused buffer for downloads, one epoll
    loop a process for small requests. Its cost is the same for every registry, so ratios between registries lean towards
    1 when both share a machine's cores, never away from it.
    Memory does not grow with blob size, every scenario is bounded in count and in time, and content is new in each run
    (or the same again, with a seed).
    What failed is counted and shown, never averaged in.

Never here: an assertion about times, and anything only Holdfast would understand.

The real clock and real sockets are used directly: measuring them is what this package is for.
"""
