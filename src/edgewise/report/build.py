"""Making a report: part after part, the page and the JSON written again after each, whatever happens to the next."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgewise.activations import Activation, activation
from edgewise.errors import DataError, DomainError, EdgewiseError
from edgewise.report.files import write_json, write_text
from edgewise.report.gallery import Gallery
from edgewise.report.model import PARTS, Part, ReportData, Subject, from_dict
from edgewise.report.page import page
from edgewise.report.plan import Plan, compute
from edgewise.report.progress import Listener, listener
from edgewise.report.words import Verdict, verdict

_WEIGHT = {
    "theory": 2.0,
    "shape": 1.0,
    "susceptibility": 1.0,
    "flow": 6.0,
    "phase": 2.0,
    "tailored": 2.0,
    "training": 80.0,
}
"""Expected seconds of each part, for the progress bar."""


@dataclass(frozen=True)
class Report:
    """A report on disk. broken: what failed for reasons that are edgewise's own fault, one line each."""

    data: ReportData
    page: Path
    json_file: Path
    broken: tuple[str, ...] = ()

    @property
    def verdicts(self) -> tuple[tuple[str, Verdict], ...]:
        """(spec, verdict) of each activation."""
        return tuple((subject.spec, verdict(subject)) for subject in self.data.subjects)


def report(
    specs: object | Sequence[object],
    *,
    out: str | Path = "edgewise-report",
    depths: Sequence[int] = (5, 20, 50),
    width: int = 64,
    seeds: int = 4,
    epochs: int | None = None,
    learning_rates: Sequence[float] | None = None,
    members: int = 32,
    training: bool = True,
    figures: bool = True,
    seed: int = 0,
    progress: bool | Listener = True,
) -> Report:
    """Theory, random networks and a training check of activations: a page, a JSON and PNG files in the folder `out`.

    specs: one activation or a sequence of them, each anything `ew.activation` takes. depths, width: of the networks
    that are trained; random networks at initialisation have the largest depth and four times the width, `members` of
    them. seeds: networks trained for each setting. epochs, learning_rates: None for the study's own. training: False
    leaves the training check out. figures: False leaves the PNG files out; the page has all pictures anyway.
    progress: bars (lines in a pipe) on stderr, nothing, or a listener of your own.

    A part that cannot be computed says why in the report and leaves the others standing. An interruption leaves a
    valid page and JSON that name what is missing, and is raised again. Raises SpecError, before anything is computed,
    for what is no activation; DomainError for numbers out of range; OSError when `out` cannot be written.
    """
    wanted = list(specs) if isinstance(specs, list | tuple) else [specs]
    if not wanted:
        raise DomainError("no activation given, expected at least one; try edgewise.report.report('relu')")
    plan = Plan(
        depths=_depths(depths), width=width, seeds=seeds, epochs=epochs, members=members, seed=seed, training=training,
        learning_rates=tuple(learning_rates) if learning_rates is not None else None,
    )  # fmt: skip
    activations = [activation(spec) for spec in wanted]
    folder = Path(out)
    data = ReportData(
        subjects=tuple(_subject(given, a) for given, a in zip(wanted, activations, strict=True)),
        settings=plan.to_dict(),
        provenance=_provenance(seed),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    maker = _Maker(data, folder, Gallery(folder / "figures" if figures else None))
    maker.write()
    with listener(progress) as tell:
        tell.expect(len(activations) * sum(_WEIGHT[name] for name in PARTS if training or name != "training"))
        try:
            for index, name in _order(len(activations)):
                maker.step(index, name, activations[index], plan, tell)
        except BaseException:
            maker.data = replace(maker.data, interrupted=True)
            maker.write()
            raise
    return Report(maker.data, folder / "report.html", folder / "report.json", tuple(maker.broken))


def _order(subjects: int) -> Iterator[tuple[int, str]]:
    """Theory of all activations first, then the training of all: an interrupted comparison still compares."""
    for index in range(subjects):
        for name in PARTS[:-1]:
            yield index, name
    for index in range(subjects):
        yield index, PARTS[-1]


@dataclass
class _Maker:
    """The report as far as it has come, and where it is written."""

    data: ReportData
    folder: Path
    gallery: Gallery

    def __post_init__(self) -> None:
        self.broken: list[str] = []

    def step(self, index: int, name: str, a: Activation, plan: Plan, tell: Listener) -> None:
        """One part: computed, recorded whatever its outcome, drawn and written."""
        if name == "training" and not plan.training:
            self.data = self.data.with_part(index, name, Part("skipped", "not asked for"))
            self.write()
            return
        subject = self.data.subjects[index]
        tell.begin(subject.spec, name, _WEIGHT[name])
        start = time.perf_counter()

        def keep(partial: dict[str, Any]) -> None:
            self.data = self.data.with_part(index, name, Part("interrupted", data=partial))

        try:
            done = compute(name, a, subject, plan, on_progress=tell.advance, keep=keep)
            part = Part("done", data=done)
        except EdgewiseError as error:
            part = Part("failed", f"{error}")
        except Exception as error:  # a slip of ours must not take the finished parts with it; the caller is told
            part = Part("failed", f"internal error ({type(error).__name__}: {error})")
            self.broken.append(f"{subject.spec}: {name}: {type(error).__name__}: {error}")
        except BaseException:
            held = self.data.subjects[index].parts[name].data
            self.data = self.data.with_part(index, name, Part("interrupted", data=held))
            raise
        seconds = time.perf_counter() - start
        self.data = self.data.with_part(index, name, replace(part, seconds=round(seconds, 3)))
        self.gallery.draw(self.data)
        self.write()
        tell.end(
            part.status if part.status == "done" else f"{part.status}: {part.message}", time.perf_counter() - start
        )

    def write(self) -> None:
        """Both files, each whole."""
        write_json(self.folder / "report.json", document(self.data))
        write_text(self.folder / "report.html", page(self.data, self.gallery))


def document(data: ReportData) -> dict[str, Any]:
    """The JSON of a report: its data, with the verdict on each activation beside it."""
    plain = data.to_dict()
    for subject, entry in zip(data.subjects, plain["activations"], strict=True):
        entry["verdict"] = verdict(subject).to_dict()
    return plain


def render(stored: str | Path, *, out: str | Path) -> Report:
    """The page, the JSON and the pictures of an earlier report, drawn anew from its report.json; computes nothing.

    Raises DataError when the file is no report, OSError when it cannot be read or `out` cannot be written.
    """
    try:
        data = from_dict(json.loads(Path(stored).read_text(encoding="utf-8")))
    except ValueError as error:
        raise DataError(f"{stored} is not JSON ({error}); try the report.json of `edgewise report`") from error
    folder = Path(out)
    maker = _Maker(data, folder, Gallery(folder / "figures"))
    maker.gallery.draw(data)
    maker.write()
    return Report(data, folder / "report.html", folder / "report.json")


def theory_page(spec: object, *, out: str | Path, depths: Sequence[int] = (5, 20, 50), progress: bool = False) -> Path:
    """The page of a report without its training check, as a single file; takes seconds. Returns its path."""
    with tempfile.TemporaryDirectory() as folder:
        made = report(spec, out=folder, depths=depths, training=False, figures=False, progress=progress)
        write_text(Path(out), made.page.read_text(encoding="utf-8"))
    return Path(out)


def _subject(given: object, a: Activation) -> Subject:
    return Subject(
        given=given if isinstance(given, str) else a.spec,
        spec=a.spec,
        formula=a.formula,
        summary=a.definition.summary,
        source=a.definition.source,
    )


def _provenance(seed: int) -> dict[str, Any]:
    import importlib.metadata

    import torch

    from edgewise.measure.provenance import provenance

    made = provenance(seed=seed, device=torch.device("cpu"), dtype=torch.float64, seconds=0.0).to_dict()
    del made["seconds"]
    others = {name: importlib.metadata.version(name) for name in ("numpy", "scipy", "matplotlib", "scikit-learn")}
    return {**made, "training_dtype": "float32", **others}


def _depths(given: Sequence[int]) -> tuple[int, ...]:
    for depth in given:
        if isinstance(depth, bool) or not isinstance(depth, int) or depth < 2:
            raise DomainError(f"depth {depth!r} given, expected integers >= 2; try depths=(5, 20, 50)")
    if not given:
        raise DomainError("no depths given, expected integers >= 2; try depths=(5, 20, 50)")
    return tuple(sorted(set(given)))
