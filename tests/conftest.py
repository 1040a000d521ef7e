"""What all tests share: hypothesis draws the same examples everywhere, never by the clock.

Builders of genomes, outcomes and evaluations are in `tests/conformance/making.py`.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("tests.conformance")

settings.register_profile(
    "qdx",
    derandomize=True,
    deadline=None,
    max_examples=20,
    stateful_step_count=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
)
settings.load_profile("qdx")
