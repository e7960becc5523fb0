"""A LaTeX formula as inline SVG, by matplotlib's mathtext; as plain text where mathtext has no word for it."""

from __future__ import annotations

from html import escape

from edgewise.report.drawing import INK, inline_svg, style
from edgewise.report.notation import plain

_REWRITES = {
    r"\tfrac": r"\frac",
    r"\dfrac": r"\frac",
    r"\lvert": "|",
    r"\rvert": "|",
    r"\bigl": "",
    r"\bigr": "",
    r"\!": "",
}
_LONGEST = 400
"""Characters; longer formulas are shown as text, which wraps."""


def formula_svg(latex: str, *, key: str) -> str | None:
    """``σ(x) = latex`` as an ``<svg>`` element in the page's ink, or None where mathtext cannot set it."""
    for command, simple in _REWRITES.items():
        latex = latex.replace(command, simple)
    if len(latex) > _LONGEST or "$" in latex:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(0.01, 0.01))
        FigureCanvasAgg(figure)
        text = figure.text(0, 0, rf"$\sigma(x) = {latex}$", fontsize=13, color=INK)
        try:
            box = text.get_window_extent()
        except ValueError:  # mathtext's parser does not know a command
            return None
        inches = figure.dpi_scale_trans.inverted().transform_bbox(box)
        figure.set_size_inches(inches.width + 0.06, inches.height + 0.06)
        text.set_position((0.03 / figure.get_figwidth(), (0.03 - inches.y0) / figure.get_figheight()))
    svg = inline_svg(figure, key=key, label=escape(f"σ(x) = {plain(latex)}"))
    return svg.replace('class="figure"', 'class="formula"', 1)
