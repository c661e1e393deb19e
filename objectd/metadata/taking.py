"""Commits that are decided one after the other, and written together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from objectd.errors import ObjectdError, StoreBusy, WrittenInPart
from objectd.interfaces import Commit, EmptyRange
from objectd.metadata import decisions
from objectd.metadata._rocksdict_rows import Live
from objectd.metadata.decisions import Writes


class Taken:
    """A group of commits that is decided, and yet to be written with one call.

    Each is decided on what those before it leave, which `live` follows ahead. Between `take` and
    `finish` nobody else may decide or write but after `write_out`, and the reactor must not go on.
    """

    def __init__(
        self,
        live: Live,
        stage: Callable[[Writes], None],
        write: Callable[[Sequence[Writes]], None],
    ) -> None:
        """`stage` has `live` follow a step, and raises where it may not be written. `write` writes
        those that were staged, all or none, and tells `live`; it raises `StoreBusy` where it was
        none, and `StoreFailed`."""
        self._live = live
        self._stage = stage
        self._write = write
        self._steps: list[Writes] = []
        self._error: ObjectdError | None = None
        self._is_written_in_part = False
        self.commits = 0

    def take(self, commit: Commit) -> int | None:
        """The revision of a commit that is in the group now. None if it cannot be: part of the
        group failed. Raises what `decisions.decide_commit` and `stage` raise."""
        for expectation in commit.expect:
            if type(expectation) is EmptyRange:
                self.write_out()  # for RocksDB's iterators
        if self._error is not None:
            return None
        revision, writes = decisions.decide_commit(self._live, commit)
        if writes is not None:
            self._stage(writes)
            self._steps.append(writes)
            if writes.deleted_ranges:
                self.write_out()
        self.commits += 1
        return revision

    def write_out(self) -> None:
        """Write what is decided so far; `finish` tells what becomes of it."""
        if not self._steps:
            return
        steps, self._steps = self._steps, []
        try:
            self._write(steps)
        except StoreBusy as error:
            # Only if nothing of the group was written may it be said to be refused.
            self._error = WrittenInPart(str(error)) if self._is_written_in_part else error
        except ObjectdError as error:
            self._error = error
        else:
            self._is_written_in_part = True

    def finish(self) -> int:
        """Write the rest of the group; how many commits it had. Raises what became of all of
        them if some could not be written."""
        self.write_out()
        commits, error = self.commits, self._error
        self.commits, self._error, self._is_written_in_part = 0, None, False
        if error is not None:
            raise error
        return commits
