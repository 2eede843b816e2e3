"""``holdfast scrub``: have nodes read all their copies now, follow it, and tell what is wrong and whom that touches."""
