"""What tests of several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):  # before torch is imported: they share the cores
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // workers))

# how long an example takes says nothing where machines are shared
settings.register_profile("edgewise", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("edgewise")

BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """A folder with the real MNIST, Fashion-MNIST and CIFAR-10; the test is skipped where there is none."""
    named = [Path(name).expanduser() for name in os.environ.get("EDGEWISE_DATA", "").split(os.pathsep) if name]
    for folder in (*named, BESIDE_THE_CHECKOUT):
        if all((folder / name).is_dir() for name in ("mnist", "fashion_mnist", "cifar10")):
            return folder
    pytest.skip("real data sets are neither in EDGEWISE_DATA nor in ../shared/data beside the checkout")
