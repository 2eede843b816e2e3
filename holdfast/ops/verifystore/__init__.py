"""``holdfast verify-store``: read the directory of a stopped storage node, and say what is wrong with it; change nothing."""
