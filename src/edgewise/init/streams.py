"""What becomes of the residual streams of a model, in sentences: how many branches, from what scale to what."""

from __future__ import annotations

from collections.abc import Mapping

from edgewise.init.graph import ModelGraph
from edgewise.init.roles import Residual, Roles
from edgewise.init.signals import Signal

_ENDS = {"linear", "attention", "embedding", "add"}
_SMALL = 1e-2


def described(graph: ModelGraph, roles: Roles, signals: Mapping[str, Signal]) -> list[str]:
    """A sentence on each stream: where it begins and ends, its mean square there, and how branches were scaled."""
    found = []
    for stream in _streams(graph, roles):
        first, last = stream[0], stream[-1]
        start = signals[first.skip if first.projected else first.fork].second
        count = max(r.chained for r in stream)
        if first.gamma < 1.0:
            how = f"skips of gamma={first.gamma:.4g}, so that branches bring 1 - gamma**2 = {1 - first.gamma**2:.4g}"
        else:
            branches = f"{count} branch{'es in a row, each' if count > 1 else ','}"
            how = f"{branches} scaled by 1/sqrt({count}) = {count**-0.5:.4g}"
        found.append(
            f"the residual stream from {first.fork} to {last.name}: {how}; its mean square goes from {start:.4g} to "
            f"{signals[last.name].second:.4g}"
        )
        if start < _SMALL and all(r.normalised for r in stream):
            found.append(
                f"that stream begins small (mean square {start:.3g}) and its branches were scaled to it; to begin at 1 "
                "give the embeddings standard deviation 1 first: torch.nn.init.normal_(embedding.weight)"
            )
    return found


def _streams(graph: ModelGraph, roles: Roles) -> list[list[Residual]]:
    """Residual sums in chains: each next one forks from what became of the one before."""
    streams: list[list[Residual]] = []
    for name in (node.name for node in graph.nodes if node.name in roles.residuals):
        residual = roles.residuals[name]
        before = _nearest_sum(graph, roles, residual.fork)
        chain = next((s for s in streams if s[-1].name == before), None)
        if chain is None:
            streams.append([residual])
        else:
            chain.append(residual)
    return streams


def _nearest_sum(graph: ModelGraph, roles: Roles, at: str) -> str | None:
    """The residual sum that a tensor is, but for norms, activations and reshaping since."""
    while at not in roles.residuals:
        node = graph[at]
        if node.kind in _ENDS or not node.inputs:
            return None
        at = node.inputs[0]
    return at
