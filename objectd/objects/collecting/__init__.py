"""Garbage collection: what nothing refers to any more goes, and files of nobody go."""
