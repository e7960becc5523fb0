"""Figures of networks on an equation, from plain data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgewise.report.drawing import png
from edgewise.report.figures import pinn


def told(*, steady: bool = False, uneven: bool = False, lost: bool = False) -> dict[str, Any]:
    first = np.linspace(-1.0, 1.0, 21)
    second = np.linspace(0.0, 1.0, 11) ** (2 if uneven else 1)
    truth = np.sin(math.pi * first)[:, None] * np.exp(-second)
    made = truth + 0.1
    error = None if lost else 0.1
    return {
        "problem": {"title": "Heat", "coordinates": ["x", "y" if steady else "t"]},
        "activation": "tanh",
        "best": 0,
        "relative_l2": [error, error],
        "settings": {"adam_steps": 10, "lbfgs_steps": 5},
        "grid": {
            "axes": [first.tolist(), second.tolist()],
            "reference": truth.tolist(),
            "solution": (np.full_like(made, np.nan) if lost else made).tolist(),
        },
        "history": {
            "step": [0, 10, 15],
            "loss": [[1.0, 1.0], [0.1, None], [0.01, None]],
            "relative_l2": [[None, None]] * 3 if lost else [[1.0, 1.0], [0.5, None], [0.1, None]],
        },
    }


def test_time_is_horizontal_and_other_coordinates_are_not() -> None:
    axes = pinn.solution_figure(told()).subfigs[0].axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("$t$", "$x$")
    axes = pinn.solution_figure(told(steady=True)).subfigs[0].axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("$x$", "$y$")


def test_reference_and_network_share_one_scale() -> None:
    images = [axes.images[0] for axes in pinn.solution_figure(told()).subfigs[0].axes[:2]]
    assert images[0].norm.vmin == images[1].norm.vmin == -1.0
    assert images[0].norm.vmax == images[1].norm.vmax == 1.0


def test_uneven_grids_are_drawn_at_their_places() -> None:
    """Values that are the second coordinate itself rise evenly from left to right whatever the grid."""
    data = told(uneven=True)
    second = np.asarray(data["grid"]["axes"][1])
    data["grid"]["reference"] = np.tile(second, (21, 1)).tolist()
    image = np.asarray(pinn.solution_figure(data).subfigs[0].axes[0].images[0].get_array())
    np.testing.assert_allclose(image[0], np.linspace(0.0, 1.0, image.shape[1]), atol=1e-12)


def test_cuts_are_at_the_shares_of_the_range() -> None:
    titles = [axes.get_title() for axes in pinn.solution_figure(told()).subfigs[1].axes]
    assert titles == ["$t = 0.3$", "$t = 0.5$", "$t = 0.8$"] or titles == ["$t = 0.2$", "$t = 0.5$", "$t = 0.7$"]


def test_everything_draws_where_networks_were_lost() -> None:
    both = [told(), told(lost=True)]
    for figure in (
        pinn.solution_figure(told(lost=True)), pinn.history_figure(told(lost=True)), pinn.gallery_figure(both),
        pinn.comparison_cuts_figure(both), pinn.comparison_history_figure(both),
    ):  # fmt: skip
        assert png(figure).startswith(b"\x89PNG")
