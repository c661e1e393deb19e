"""Exit statuses beyond 0 (all was done), 1 (something was not) and 2 (not understood)."""

INTERRUPTED = 130
"""After Ctrl-C, as shells have it: 128 and the signal's number."""
