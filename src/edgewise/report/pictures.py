"""Which pictures a report has, what each shows in words, and what it is drawn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from edgewise.report import captions
from edgewise.report.model import ReportData, Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """A figure that can be drawn now.

    name: distinct within its subject; part: whose data it shows; caption: what to see, for everyone; alt: what is in
    it, for those who cannot see it; wide: takes the whole width of the page.
    """

    name: str
    part: str
    title: str
    caption: str
    alt: str
    draw: Callable[[], Figure]
    wide: bool = False


def pictures(subject: Subject) -> tuple[Picture, ...]:
    """The pictures that the finished parts of a subject allow, in the order of the page."""
    return (
        *_theory_pictures(subject),
        *_flow_pictures(subject),
        *_tailored_pictures(subject),
        *_training_pictures(subject),
    )


def _theory_pictures(subject: Subject) -> Iterator[Picture]:
    from edgewise.report.figures import phase, shape, susceptibility

    spec, theory = subject.spec, subject.data("theory")
    if data := subject.data("shape"):
        alt = f"Curves of {spec} and its first two derivatives against x."
        yield Picture("shape", "shape", "The activation", captions.shape(data), alt, partial(shape.shape_figure, data))
    if (data := subject.data("susceptibility")) and theory:
        yield Picture(
            "susceptibility",
            "susceptibility",
            "What one layer does to a signal",
            captions.susceptibility(data, theory),
            captions.susceptibility_alt(spec, data, theory),
            partial(susceptibility.susceptibility_figure, data, critical=captions.critical_marks(theory)),
        )
    if data := subject.data("phase"):
        alt = captions.phase_alt(spec, data)
        yield Picture("phase", "phase", "Phase diagram", captions.phase(data), alt, partial(phase.phase_figure, data))


def _flow_pictures(subject: Subject) -> Iterator[Picture]:
    from edgewise.report.figures import flow

    data = subject.data("flow")
    if data is None:
        return
    for name, title, text, alt, draw in (
        ("kernel", "Signal through the layers", captions.measured, captions.measured_alt, flow.measured_figure),
        ("gradient", "Gradient through the layers", captions.gradient, captions.gradient_alt, flow.gradient_figure),
        ("schemes", "The usual initialisations", captions.schemes, captions.schemes_alt, flow.schemes_figure),
    ):
        yield Picture(name, "flow", title, text(data), alt(subject.spec, data), partial(draw, data))


def _tailored_pictures(subject: Subject) -> Iterator[Picture]:
    from edgewise.report.figures import tailored

    data = subject.data("tailored")
    if data is None:
        return
    for name, title, text, draw in (
        ("tailored", "Before and after", captions.tailored_shape, tailored.tailored_shape_figure),
        ("tailored-kernel", "Its signal through the layers", captions.tailored_flow, tailored.tailored_flow_figure),
    ):
        yield Picture(name, "tailored", title, text(data), f"{subject.spec}: {text(data)}", partial(draw, data))


def _training_pictures(subject: Subject) -> Iterator[Picture]:
    from edgewise.report.figures import training

    data = subject.data("training")
    if data is None:
        return
    for name, title, text, alt, draw in (
        ("accuracy", "Accuracy by depth", captions.accuracy, captions.accuracy_alt, training.accuracy_figure),
        ("loss", "Training loss", captions.loss, captions.loss_alt, training.loss_figure),
    ):
        yield Picture(name, "training", title, text(data), alt(subject.spec, data), partial(draw, data))


def comparison_pictures(report: ReportData) -> tuple[Picture, ...]:
    """The pictures that put all subjects side by side; none for a single one."""
    from edgewise.report.figures import comparison

    found = []
    for name, part, title, caption, draw in (
        ("compare-accuracy", "training", "Accuracy by depth", captions.COMPARE_ACCURACY, comparison.accuracy_panels),
        ("compare-kernel", "flow", "Signal through the layers", captions.COMPARE_KERNEL, comparison.kernel_panels),
        ("compare-ratio", "susceptibility", "Can it be critical?", captions.COMPARE_RATIO, comparison.ratio_panels),
    ):
        ready = [subject for subject in report.subjects if subject.data(part)]
        awaited = any(subject.parts[part].status == "waiting" for subject in report.subjects)
        if len(ready) > 1 and (report.interrupted or not awaited):  # drawn once, not again for each activation
            alt = f"{title}, small multiples: {', '.join(subject.spec for subject in ready)}."
            found.append(Picture(name, part, title, caption, alt, partial(draw, ready), wide=True))
    return tuple(found)
