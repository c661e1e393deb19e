"""File descriptors: as many as the settings may come to need.

A store that gets no descriptor for its log cannot go on, so connections, which anybody can
open, must never use up the last one.
"""

from __future__ import annotations

import resource

from objectd.errors import ConfigurationInvalid

STORES = 512
"""What the metadata store, the drives, threads and logs keep open or open now and then."""

CONNECTIONS_MIN = 16


def room_for_connections(connections: int, transfers: int) -> int:
    """How many connections there is room for, up to `connections`, beside `transfers` blobs
    being read or written.

    Raises the soft limit of this process as far as needed and allowed. Raises
    `ConfigurationInvalid` if hardly a connection would fit.
    """
    needed = connections + transfers + STORES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    room = allowed - transfers - STORES
    if room < min(connections, CONNECTIONS_MIN):
        raise ConfigurationInvalid(
            f"this process may open {hard} files, and {needed} are needed for "
            f"limits.connections, limits.uploads and limits.downloads: lower them, or raise "
            f"the hard limit (LimitNOFILE=, ulimit -Hn)"
        )
    return room
