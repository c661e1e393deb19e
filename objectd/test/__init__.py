"""Tests, laid out as the packages are. `HYPOTHESIS_PROFILE=ci` tries more examples."""

import os

from hypothesis import HealthCheck, settings

# Shared machines pause a test for longer than any deadline, and a slow example is no fault.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("default"), max_examples=200, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
