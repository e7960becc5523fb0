"""How every figure looks, and how it becomes a file or inline SVG whose colours follow the page's theme.

Figures are drawn in the light palette below. Inline SVG has each of these colours replaced by the CSS variable of the
same role, so that the page decides what "ink" or "blue" is, in light and in dark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

P = ParamSpec("P")

INK, MUTED, GRID, PAPER = "#1c2128", "#57606b", "#dde2e8", "#fefefd"
BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE = "#0072b2", "#d55e00", "#009e73", "#e69f00", "#56b4e9", "#cc79a7"
"""Okabe and Ito's palette: told apart under every common colour-vision deficiency."""

ROLES = {
    INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper", BLUE: "blue", VERMILION: "vermilion", GREEN: "green",
    ORANGE: "orange", SKY: "sky", PURPLE: "purple",
}  # fmt: skip
"""Palette colour -> name of the page's CSS variable."""

DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.2, 1.4)), (0, (6, 2, 1.2, 2)), (0, (8, 3)), (0, (3, 1.5)))
"""Lines differ in their dashes as well as in colour."""

WIDTH, HEIGHT = 4.7, 3.3
"""Inches of one figure: at 96 px per inch its text is readable on a phone, and two stand side by side on a desk."""

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "mathtext.fontset": "dejavusans",
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.minor.size": 0.0,
    "ytick.minor.size": 0.0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 2.2,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "path",
    "svg.hashsalt": "edgewise",
    "pdf.fonttype": 42,
}


@contextmanager
def style() -> Iterator[None]:
    """The look of every figure, while the context lasts; the caller's own matplotlib settings come back after."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def drawn(function: Callable[P, Figure]) -> Callable[P, Figure]:
    """Makes a function that returns a figure draw it in this style."""

    @wraps(function)
    def styled(*args: P.args, **options: P.kwargs) -> Figure:
        with style():
            figure = function(*args, **options)
            figure.draw_without_rendering()
            figure.set_layout_engine("none")  # laid out once, not again for every format it is saved in
            return figure

    return styled


def blank(width: float = WIDTH, height: float = HEIGHT) -> Figure:
    """An empty figure, without pyplot and its global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def legend_above(axes: Axes, columns: int = 3) -> None:
    """The legend between title and data, never on the data."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(
            handles,
            labels,
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=columns,
            borderaxespad=0.2,
            columnspacing=1.4,
            handletextpad=0.6,
        )


def log_ticks(axis: Axis, low: float, high: float) -> None:
    """Ticks of a logarithmic axis: 1, 2, 5 in plain digits over less than two decades, powers of ten over more."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    from edgewise.report.notation import number

    axis.set_minor_formatter(NullFormatter())
    if high / low < 100.0:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low > 6.0 else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 2)))


def inline_svg(figure: Figure, *, key: str, label: str) -> str:
    """The figure as an ``<svg>`` element of a page: theme colours, ids unique under `key`, `label` as its text.

    key: letters, digits and hyphens; distinct for every figure of a page.
    """
    from html import escape

    buffer = io.StringIO()
    with style():
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{key}-', text)
    text = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{key}-", text)
    for colour, role in ROLES.items():
        text = text.replace(colour, f"var(--{role})")
    opening = f'<svg role="img" aria-label="{escape(label, quote=True)}" class="figure"'
    return re.sub(r"<svg\b", lambda _: opening, text, count=1).strip()


def png(figure: Figure, *, dpi: int = 144) -> bytes:
    """The figure as a PNG on white."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def save(figure: Figure, path: Path) -> None:
    """The figure to a file, in the format that its suffix names. Raises DomainError for a suffix that is no picture."""
    from edgewise.errors import DomainError
    from edgewise.report.files import write_bytes

    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("png", "svg", "pdf"):
        raise DomainError(f"picture file {path.name!r} given, expected a name that ends in .png, .svg or .pdf")
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format=kind, dpi=200, facecolor="white")
    write_bytes(path, buffer.getvalue())
