"""Keeping the metadata: ``holdfast backup`` and ``holdfast restore``."""
