"""Backups of the metadata: one file that either adapter's store is written into and read from.

frozen     everything as of one revision, and what of it travels
file       the file: written, verified, read
restoring  a file back into a store
comparing  links and manifests beside what the nodes hold
"""
