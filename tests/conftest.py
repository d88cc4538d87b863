"""Settings and data that all tests share."""

from __future__ import annotations

from hypothesis import settings

# deadlines measure the machine, not the code; derandomised runs are the same every time
settings.register_profile("atlash", deadline=None, derandomize=True)
settings.load_profile("atlash")
