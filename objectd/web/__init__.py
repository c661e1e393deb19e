"""HTTP for large streams: bodies flow both ways with back-pressure, everything has a limit
and a deadline, and nothing here knows S3."""
