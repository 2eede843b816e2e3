"""Blobs in an object store: S3, Azure Blob, Google Cloud Storage."""
