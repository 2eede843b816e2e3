"""Keeping caches within their limits.

    growth      hears of every blob that is linked, and asks for a round when a good part of a budget has come
    keeper      one round: measure, choose, take out of repositories
    freeing     the bytes of what nothing links any more
    loop        when rounds are made, by which of the workers
    assembly    how a configuration becomes all of this

Never: touches what was pushed here.
"""
