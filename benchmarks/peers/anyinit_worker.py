"""AnyInit: the second moment of an activation at several variances."""

from __future__ import annotations

import time
from typing import Any

import anyinit
import numpy as np
from serve import serve


def _mrepu(x: np.ndarray) -> np.ndarray:
    return x * np.maximum(x + 1, 0) ** 2


anyinit.register_activation(_mrepu, name="mrepu")


def second_moment(activation: str, variances: list[float]) -> dict[str, Any]:
    """<sigma**2> at each variance, from a profile without cached values."""
    from anyinit.core.profile import ActivationProfile

    source = anyinit.activation_profile(activation)
    profile = ActivationProfile(activation, source._f)
    start = time.perf_counter()
    values = [float(profile.moments(0.0, v).m2) for v in variances]
    return {"seconds": time.perf_counter() - start, "values": values}


serve({"second_moment": second_moment})
