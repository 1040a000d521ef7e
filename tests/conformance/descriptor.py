"""What every descriptor must do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.conformance.making import equal, travelled


class DescriptorConformance:
    """Subclass in the descriptor's own test module; say how it is built and what it reads."""

    @pytest.fixture
    def build(self) -> Callable[[], Any]:
        raise NotImplementedError

    @pytest.fixture
    def observations(self) -> dict[str, Any]:
        """Twelve rows."""
        raise NotImplementedError

    @pytest.fixture
    def failed(self) -> Any:
        return np.arange(12) % 5 == 2

    @pytest.fixture
    def descriptor(self, build: Callable[[], Any]) -> Any:
        return build()

    def test_gives_every_row_a_point(self, descriptor: Any, observations: Any, failed: Any) -> None:
        described = descriptor.describe(observations, failed)
        assert described.descriptors.shape == (12, descriptor.dimension())
        assert described.descriptors.dtype == np.float32

    def test_has_bounds_for_each_number(
        self, descriptor: Any, observations: Any, failed: Any
    ) -> None:
        low, high = np.array(descriptor.bounds(), np.float32).T
        assert len(low) == descriptor.dimension()
        points = descriptor.describe(observations, failed).descriptors[~failed]
        assert ((points >= low) & (points <= high)).all()

    def test_exactly_failed_rows_have_none(
        self, descriptor: Any, observations: Any, failed: Any
    ) -> None:
        points = descriptor.describe(observations, failed).descriptors
        assert np.isnan(points[failed]).all()
        assert np.isfinite(points[~failed]).all()

    def test_all_rows_may_have_failed(self, descriptor: Any, observations: Any) -> None:
        described = descriptor.describe(observations, np.ones(12, bool))
        assert np.isnan(described.descriptors).all()

    def test_equal_observations_give_equal_bits(
        self, build: Callable[[], Any], observations: Any, failed: Any
    ) -> None:
        one, other = build(), build()
        one.describe(observations, ~failed)
        assert equal(one.describe(observations, failed), other.describe(observations, failed))

    def test_observations_are_left_alone(
        self, descriptor: Any, observations: Any, failed: Any
    ) -> None:
        before = {name: values.copy() for name, values in observations.items()}
        descriptor.describe(observations, failed).descriptors[:] = 7
        assert equal(observations, before)

    @pytest.mark.parametrize("rows", [[], [3], [11, 0, 4, 4]])
    def test_a_row_does_not_depend_on_the_rows_around_it(
        self, descriptor: Any, observations: Any, failed: Any, rows: list[int]
    ) -> None:
        at = np.array(rows, np.int64)
        some = {name: values[at] for name, values in observations.items()}
        whole = descriptor.describe(observations, failed)
        assert equal(descriptor.describe(some, failed[at]).descriptors, whole.descriptors[at])

    def test_goes_on_from_its_state(
        self, build: Callable[[], Any], observations: Any, failed: Any
    ) -> None:
        one, other = build(), build()
        other.restore(travelled(one.state()))
        assert equal(one.describe(observations, failed), other.describe(observations, failed))
