"""The initialisations that a report compares: their names, and the variances of those everyone uses."""

from __future__ import annotations

RECOMMENDED = "recommended"

SCHEME_NAME = {"recommended": "recommended", "he": "He", "pytorch": "PyTorch default"}
"""How each initialisation is shown."""


def usual(width: int, inputs: int) -> dict[str, dict[str, float]]:
    """C_W, C_b of the hidden layers and K of the first for inputs of mean square 1, of He's and PyTorch's
    initialisation.

    He: weight variance 2/fan-in, no bias (papers: He et al. 2015, eq. 10). PyTorch's ``nn.Linear``: weights and
    biases uniform
    within 1/sqrt(fan-in), so variance 1/(3 fan-in) each (torch.nn.Linear.reset_parameters).
    """
    third = 1.0 / 3.0
    return {
        "he": {"c_w": 2.0, "c_b": 0.0, "k0": 2.0},
        "pytorch": {"c_w": third, "c_b": third / width, "k0": third + third / inputs},
    }
