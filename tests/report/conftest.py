"""One small report, made once, that the tests of pages and files read."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewise.report import Report, report

SPECS = ("mrepu(p=2)", "gelu", "-x*tanh(x)")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Three activations, theory and random networks, no training."""
    folder: Path = tmp_path_factory.mktemp("report")
    return report(list(SPECS), out=folder, depths=(3, 8), width=8, members=4, training=False, progress=False)
