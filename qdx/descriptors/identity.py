"""The descriptor that learns nothing: an observation as it is, flattened."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

from qdx.core.protocols import Observations
from qdx.descriptors.fixed import Fixed
from qdx.descriptors.parameters import IdentityParameters
from qdx.descriptors.setting import DescriptorSetting


def identity(parameters: IdentityParameters, setting: DescriptorSetting) -> Fixed:
    """Behaviour space = observation space."""

    def place(seen: Observations) -> Float32[Array, "B D"]:
        values = seen[setting.observation]
        return values.reshape(len(values), len(setting.bounds)).astype(np.float32)

    return Fixed(place, setting.bounds)
