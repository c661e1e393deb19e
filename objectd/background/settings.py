"""What an operator may set of the work beside requests; `etc/objectd.toml` says what for."""

from __future__ import annotations

from math import inf

import attrs
from attrs.validators import ge, gt


@attrs.frozen
class CollectionSettings:
    """A limit of 0 is none, and 0 days is never."""

    interval_seconds: float = attrs.field(default=5.0, validator=gt(0))
    files_per_second: int = attrs.field(default=0, validator=ge(0))
    bytes_per_second: int = attrs.field(default=0, validator=ge(0))
    sweep_interval_seconds: float = attrs.field(default=86_400.0, validator=gt(0))
    abandoned_upload_days: float = attrs.field(default=7.0, validator=ge(0))
    abandoned_interval_seconds: float = attrs.field(default=3600.0, validator=gt(0))

    @property
    def upload_days_max(self) -> float:
        """How old an upload of a client becomes; infinity if it is never aborted."""
        return self.abandoned_upload_days or inf


@attrs.frozen
class LifecycleSettings:
    """A limit of 0 is none."""

    rows_per_second: int = attrs.field(default=5_000, validator=ge(0))
    interval_seconds: float = attrs.field(default=600.0, validator=gt(0))
