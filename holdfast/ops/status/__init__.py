"""``holdfast status``: is the cluster well, and if not, what is it that needs somebody."""
