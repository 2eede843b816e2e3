"""Keeping the metadata: ``holdfast backup``, ``restore``, ``compare`` and ``recover``."""
