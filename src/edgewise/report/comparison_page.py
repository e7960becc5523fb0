"""Activations compared on images, as one self-contained HTML page: who stands where, which differ, what it costs."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from edgewise.report.drawing import inline_svg
from edgewise.report.figures import image_comparison as figures
from edgewise.report.page import resource
from edgewise.studies.images.comparison_view import LARGE

Data = Mapping[str, Any]
"""What `studies.images.Comparison.to_dict()` gives."""


def html(data: Data) -> str:
    """The page as text; nothing in it is loaded from anywhere."""
    specs = ", ".join(s["activation"] for s in data["standings"])
    several = len(data["standings"]) > 1
    made: str = _template().render(
        title=f"{_count(len(data['standings']))} on {data['data']['title']}",
        subtitle=_subtitle(data),
        level=_level(data),
        badge=_badge(data),
        headline=_headline(data),
        reason=f"{data['reason'][:1].upper()}{data['reason'][1:]}.",
        notices=list(_notices(data)),
        head=("activation", "test accuracy", "test loss", "time", "memory", "learning rate", "diverged"),
        rows=[
            _row(s, first=s is data["standings"][0])
            for s in sorted(data["standings"], key=lambda s: -s["accuracy"]["estimate"])
        ],
        pairs=[_pair(p) for p in data["pairs"]],
        alpha=f"{100 * data['alpha']:g}",
        level_words=f"{100 * (1 - data['alpha']):g}",
        how_timed=data["how_timed"],
        pictures=list(_pictures(data, specs)) if data["standings"] else [],
        rates=list(_rates(data)) if len(data["settings"]["learning_rates"]) > 1 else [],
        learning_rates=[f"{rate:g}" for rate in data["settings"]["learning_rates"]],
        facts=list(_facts(data)),
        provenance=_provenance(data["provenance"]),
        edgewise=data["provenance"]["edgewise"],
        several=several,
        css=Markup(resource("page.css")),
        script=Markup(resource("page.js")),
    )
    return made


def _count(n: int) -> str:
    words = {1: "One activation", 2: "Two activations", 3: "Three activations", 4: "Four activations"}
    return words.get(n, f"{n} activations")


def _subtitle(data: Data) -> str:
    s = data["settings"]
    recipe = f"recipe {s['recipe']['name']} · " if s["recipe"] else ""
    return (
        f"{recipe}{s['model']} · {data['data']['train']:,} training images, {s['epochs']} epochs · "
        f"{len(s['seeds'])} seed{'s' if len(s['seeds']) > 1 else ''} · tested on {data['data']['test']:,}"
    )


def _best(data: Data) -> Data | None:
    return max(data["standings"], key=lambda s: s["accuracy"]["estimate"], default=None)


def _differs(data: Data) -> list[bool | None]:
    """For the best activation, whether it differs from each other one."""
    best = _best(data)
    return [p["differ"] for p in data["pairs"] if best and best["activation"] in (p["first"], p["second"])]


def _level(data: Data) -> str:
    found = _differs(data)
    return "yes" if found and all(found) else "care" if any(found) else "unknown"


def _badge(data: Data) -> str:
    found = _differs(data)
    if not found or all(one is None for one in found):
        return "cannot be told"
    return "significant" if all(found) else "partly significant" if any(found) else "no significant difference"


def _headline(data: Data) -> str:
    best = _best(data)
    return f"{best['activation']}: {100 * best['accuracy']['estimate']:.2f} %" if best else "nothing was finished"


def _notices(data: Data) -> Iterator[str]:
    if data["unfinished"]:
        yield f"Interrupted: {', '.join(data['unfinished'])} not finished, and not in the tables."
    names = tuple(s["activation"] for s in data["standings"])  # which are never written large
    for remark in data["remarks"]:
        yield f"{remark}." if remark.startswith(names) else f"{remark[:1].upper()}{remark[1:]}."
    yield from data["data"]["remarks"]


def _row(s: Data, *, first: bool) -> dict[str, str]:
    rate, memory = f"{s['learning_rate']:g}", (s["peak_bytes"] or s["kept_bytes"]) / 1e6
    return {
        "activation": s["activation"],
        "accuracy": f"{_spread(s['accuracy'], 100.0, 2)} %",
        "loss": _spread(s["loss"], 1.0, 3),
        "time": "1" if first else "–" if s["time"] is None else f"{_spread(s['time'], 1.0, 2)} ×",
        "memory": f"{memory:,.1f} MB" if memory < 100 else f"{memory:,.0f} MB",
        "rate": rate,
        "diverged": f"{s['diverged']} of {s['seeds']}",
    }


def _pair(p: Data) -> dict[str, str]:
    words = {None: ("unknown", "cannot be told"), True: ("yes", "differ"), False: ("unknown", "not distinguished")}
    level, badge = words[p["differ"]]
    difference = p["difference"]
    interval = "–"
    if difference["low"] is not None and difference["high"] is not None:
        interval = f"{_signed(100 * difference['low'])} … {_signed(100 * difference['high'])}"
    return {
        "pair": f"{p['first']} − {p['second']}",
        "difference": _signed(100 * difference["estimate"]),
        "interval": interval,
        "p": _p(p["p"]),
        "adjusted": _p(p["adjusted"]),
        "level": level,
        "badge": badge,
    }


def _pictures(data: Data, specs: str) -> Iterator[dict[str, Any]]:
    cross = " A cross is a run that diverged." if any(s["diverged"] for s in data["standings"]) else ""
    spread = (
        f" Below them the mean over seeds with its {100 * (1 - data['alpha']):g} % interval."
        if len(data["settings"]["seeds"]) > 1
        else ""
    )
    accuracy = f"Each dot is a seed, at the end of training.{spread}{cross}"
    recipe = data["settings"]["recipe"]
    smoothed = (
        ", and against smoothed labels, so that it cannot reach 0" if recipe and recipe["label_smoothing"] else ""
    )
    alone = ", each seen as it is" if recipe and data["settings"]["augment"] else ""
    curves = (
        "Thin: every seed; thick: their mean; a curve ends where most seeds have diverged. The loss is that of the "
        f"batches learnt from, augmented where that was asked for{smoothed}; the accuracy that of images set aside "
        f"from the training set{alone}."
    )
    cost = (
        f"Time: {data['how_timed']}. Memory: what one batch’s forward pass holds for the backward pass, or an "
        "accelerator’s peak."
    )
    for name, title, caption, draw in (
        ("accuracy", "Test accuracy", accuracy, figures.accuracy_figure),
        ("curves", "The way there", curves, figures.curves_figure),
        ("cost", "What it costs", cost, figures.cost_figure),
    ):
        alt = f"{title}: {specs}. {data['reason']}."
        yield {"title": title, "caption": caption, "svg": Markup(inline_svg(draw(data), key=name, label=alt))}


def _rates(data: Data) -> Iterator[tuple[str, list[str]]]:
    """Mean validation accuracy of every activation at every learning rate."""
    for s in data["standings"]:
        cells = []
        for rate in data["settings"]["learning_rates"]:
            runs = [
                t["run"] for t in data["trials"]
                if t["activation"] == s["activation"] and t["run"]["learning_rate"] == rate
            ]  # fmt: skip
            seen = [[v for v in run["curves"]["validation"]["accuracy"] if v is not None] for run in runs]
            mean = sum(row[-1] if row else 0.0 for row in seen) / len(seen)
            lost = sum(run["diverged_at"] > 0 for run in runs)
            cells.append(f"{100 * mean:.1f} %" + (f", {lost} diverged" if lost else ""))
        yield s["activation"], cells


def _facts(data: Data) -> Iterator[tuple[str, str]]:
    s, d = data["settings"], data["data"]
    augment = s["augment"]
    words = [f"crops of ± {augment['crop']} pixels"] if augment and augment["crop"] else []
    words += (
        [{True: "flips", "alternate": "flips that alternate from epoch to epoch"}[augment["flip"]]]
        if (augment and augment["flip"])
        else []
    )
    words += [f"cutouts of {augment['cutout']} pixels"] if augment and augment["cutout"] else []
    images = (
        f"{d['title']}, {d['shape'][1]}×{d['shape'][2]}: {d['train']:,} to learn from, {d['validation']:,} to choose "
        f"the learning rate on, {d['test']:,} to test; {d['source']}"
    )
    optimiser = "SGD with momentum 0.9" if s["optimiser"] == "sgd" else "Adam"
    rates = ", ".join(f"{rate:g}" for rate in s["learning_rates"])
    training = (
        f"{s['epochs']} epochs, batches of {s['batch']}, {optimiser}, learning rate {rates}, reached over the first "
        "twentieth of the steps, then falling to 0 along half a cosine"
    )
    recipe = s["recipe"]
    if recipe:
        training = _by_recipe(s, recipe, rates)
        yield "recipe", f"{recipe['name']}, {recipe['scale'] or 'the whole of it'}"
    yield "network", s["model"]
    yield "initialisation", s["init"]
    yield "images", images
    yield "augmentation", ", ".join(words) if words else "none"
    yield "training", training
    yield "seeds", ", ".join(str(seed) for seed in s["seeds"])
    yield "precision", s["autocast"] or "float32"


def _by_recipe(s: Data, recipe: Data, rates: str) -> str:
    augment = s["augment"]
    views = (2 if augment["flip"] else 1) * (3 if augment["crop"] else 1) if augment else 1
    words = [
        f"{s['epochs']} epochs, batches of {s['batch']}, SGD with Nesterov momentum {recipe['momentum']:g}",
        f"learning rate {rates} and weight decay {recipe['weight_decay']:g} for 1,024 images, shifts of norms "
        f"{recipe['norm_factor']:g} times as fast",
        f"the rate rises from {recipe['start']:g} of itself over the first {100 * recipe['rise']:g} % of the steps and "
        f"falls to {recipe['end']:g} of itself",
        f"labels smoothed by {recipe['label_smoothing']:g}",
        f"weights averaged every {recipe['average_every']} steps",
    ]
    words += [f"test outputs averaged over {views} views of an image"] if views > 1 else []
    return "; ".join(words)


def _provenance(p: Data) -> str:
    parts = [
        f"edgewise {p['edgewise']}" + (f" at revision {p['revision'][:12]}" if p["revision"] else ""),
        f"torch {p['torch']}",
        f"Python {p['python']}",
        f"{p['device']}, {p['dtype']}, {p['threads']} thread{'s' if p['threads'] != 1 else ''}",
        f"{p['seconds'] / 60:.1f} min" if p["seconds"] >= 120 else f"{p['seconds']:.0f} s",
    ]
    return " · ".join(parts) + "."


def _spread(interval: Data, scale: float, digits: int) -> str:
    if interval["estimate"] is None:
        return "–"
    if scale * abs(interval["estimate"]) >= LARGE:
        return f"{scale * interval['estimate']:.1e}"
    centre = f"{scale * interval['estimate']:.{digits}f}"
    if interval["low"] is None or interval["high"] is None:
        return centre
    return f"{centre} ± {scale * 0.5 * (interval['high'] - interval['low']):.{digits}f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}".replace("-", "−")


def _p(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "–"
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}"


@functools.cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    return Environment(autoescape=True, undefined=StrictUndefined).from_string(resource("comparison.html.j2"))
