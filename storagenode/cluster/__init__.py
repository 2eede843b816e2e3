"""What a storage node does for being one of many. Without a cluster none of it runs."""
