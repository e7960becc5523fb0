"""The part each layer plays in its graph: what it feeds, which residual branch it ends, whether it is a projection.

Read off the graph alone, before any number: `propagation` then gives each layer the variance its part calls for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from edgewise.activations import Activation
from edgewise.init.graph import ModelGraph, Node

Feeds = Literal["activation", "norm", "linear", "attention", "output", "other"]
_PASSES = {"reshape", "dropout", "pool", "scale", "concatenate"}
_MIXES = {"linear", "embedding"}


@dataclass(frozen=True)
class Residual:
    """A sum of a skip path and branches that begin at the same tensor (`fork`).

    gamma: the product of the factors on the skip path. branches: the sum's other inputs, each with the product alpha of
    the factors that the model itself puts on it. chained: how many such sums with |gamma| = 1 lie on the longest path
    through this one, itself included. normalised: every path from the fork to a branch's end meets a norm.
    projected: the skip path has a linear layer of its own.
    """

    name: str
    fork: str
    skip: str
    branches: tuple[str, ...]
    gamma: float
    normalised: bool
    projected: bool
    chained: int = 1


@dataclass
class Part:
    """What one linear layer or norm is for.

    feeds, activation: what comes next, and which. branch: the residual sum whose branch it ends, with the square of the
    factor that the model puts behind it (`alpha_square`) and into how many terms the branch is split (`share`).
    projection: it ends a skip path. share > 1 without a branch: one of so many layers that are added up.
    """

    feeds: Feeds = "other"
    activation: Activation | None = None
    branch: Residual | None = None
    alpha_square: float = 1.0
    projection: Residual | None = None
    share: int = 1
    through: Activation | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Roles:
    """The parts of all layers, the residual sums, and the longest chain of activations between resets."""

    parts: Mapping[str, Part]
    residuals: Mapping[str, Residual]
    depth: int
    notes: tuple[str, ...]


def is_activation(node: Node) -> bool:
    """A nonlinearity; nn.Identity is none."""
    return node.kind == "activation" and node.activation is not None and node.activation.name != "identity"


def passes(node: Node) -> bool:
    """Whether it hands on its input's units, at most fewer of them, rescaled or averaged."""
    return node.kind in _PASSES or (node.kind == "activation" and not is_activation(node))


def roles(graph: ModelGraph, factors: Mapping[str, float] | None = None) -> Roles:
    """Reads the parts of every linear layer, attention and norm.

    factors: the mean squares of the parameters that a "multiply" node of one tensor multiplies by (LayerScale).
    """
    return _Reader(graph, factors or {}).read()


class _Reader:
    def __init__(self, graph: ModelGraph, factors: Mapping[str, float]) -> None:
        self.graph, self.factors = graph, factors
        self.nodes = graph.nodes
        self.at = {node.name: i for i, node in enumerate(graph.nodes)}
        self.inputs = [[self.at[name] for name in node.inputs if name in self.at] for node in graph.nodes]
        self.consumers: list[list[int]] = [[] for _ in graph.nodes]
        for i, sources in enumerate(self.inputs):
            for source in dict.fromkeys(sources):
                self.consumers[source].append(i)
        self.ancestors: list[int] = []  # bit sets, each node its own ancestor
        for i, sources in enumerate(self.inputs):
            mine = 1 << i
            for source in sources:
                mine |= self.ancestors[source]
            self.ancestors.append(mine)
        self.reaches_linear = [False] * len(self.nodes)
        for i in reversed(range(len(self.nodes))):
            self.reaches_linear[i] = any(
                self.reaches_linear[c] or self._is_layer(self.nodes[c]) for c in self.consumers[i]
            )
        self.parts: dict[str, Part] = {}
        self.notes: list[str] = []

    @staticmethod
    def _is_layer(node: Node) -> bool:
        return node.kind == "linear" or (node.kind == "attention" and bool(node.parameters))

    def read(self) -> Roles:
        residuals = self._with_chains(self._residuals())
        for i, node in enumerate(self.nodes):
            if self._is_layer(node) or node.kind == "norm":
                self.parts[node.name] = self._next(i)
        for residual in residuals.values():
            if residual.projected:
                self._end(residual.skip, residual, projection=True)
            for branch in residual.branches:
                self._end(branch, residual, alpha_square=1.0)
        for i, node in enumerate(self.nodes):
            if node.kind == "add" and node.name not in residuals and len(set(self.inputs[i])) > 1:
                self._share(i)
        return Roles(self.parts, residuals, self._depth(), tuple(dict.fromkeys(self.notes)))

    def _depth(self) -> int:
        count = [0] * len(self.nodes)
        for i, node in enumerate(self.nodes):
            before = max((count[s] for s in self.inputs[i]), default=0)
            counted = is_activation(node) and self.reaches_linear[i]
            count[i] = 0 if node.kind == "norm" else before + counted
        return max([1, *count])

    # what a layer feeds

    def _next(self, i: int) -> Part:
        if not self.reaches_linear[i]:
            direct = self._reached(i, through_sums=False)
            if any(self.nodes[j].kind == "norm" for j in direct):
                return Part("norm")
            if self.nodes[i].kind == "norm":
                found = next((self.nodes[j] for j in direct if is_activation(self.nodes[j])), None)
                if found is not None:
                    return Part("activation", found.activation)
            return Part("output")
        for through_sums in (False, True):
            reached = [self.nodes[j] for j in self._reached(i, through_sums)]
            inner = [n for n in reached if is_activation(n) and self.reaches_linear[self.at[n.name]]]
            if inner:
                part = Part("activation", inner[0].activation)
                others = sorted(
                    {n.activation.spec for n in inner if n.activation != inner[0].activation and n.activation}
                )
                if others:
                    part.notes.append(f"it also feeds {', '.join(others)}")
                return part
            for kind in ("norm", "linear", "attention"):
                if any(n.kind == kind or (kind == "attention" and n.kind == "weights") for n in reached):
                    return Part(kind)
        return Part("other")

    def _reached(self, i: int, through_sums: bool) -> list[int]:
        """The first nodes after i that are more than a passage, in order."""
        found, seen, queue = [], {i}, list(self.consumers[i])
        while queue:
            j = queue.pop(0)
            if j in seen:
                continue
            seen.add(j)
            node = self.nodes[j]
            if passes(node) or (through_sums and node.kind in {"add", "multiply"}):
                queue.extend(self.consumers[j])
            elif node.kind not in {"add", "multiply"}:
                found.append(j)
        return sorted(found)

    # residual sums

    def _residuals(self) -> dict[str, Residual]:
        found = {}
        for i, node in enumerate(self.nodes):
            sources = list(dict.fromkeys(self.inputs[i]))
            if node.kind == "add" and len(sources) > 1:
                residual = self._residual(i, sources)
                if residual is not None:
                    found[node.name] = residual
        return found

    def _residual(self, i: int, sources: list[int]) -> Residual | None:
        common = self.ancestors[sources[0]]
        for source in sources[1:]:
            common &= self.ancestors[source]
        if common == 0:
            return None
        fork = common.bit_length() - 1
        layers, factor, bare = self._paths(fork, i)
        skips = [s for s in sources if layers[s] == 0]
        projected = False
        if not skips:
            fewest = min(sources, key=lambda s: layers[s])
            others = [s for s in sources if s != fewest]
            if layers[fewest] != 1 or self._meets_activation(fork, fewest) or not others:
                return None
            if not all(layers[s] > 1 or self._meets_activation(fork, s) for s in others):
                return None
            skips, projected = [fewest], True
        branches = [s for s in sources if s not in skips]
        if len(skips) != 1 or not branches:
            return None
        normalised = all(not bare[s] for s in branches)
        names = tuple(self.nodes[s].name for s in branches)
        gamma = 1.0 if projected else abs(factor[skips[0]])
        return Residual(
            self.nodes[i].name, self.nodes[fork].name, self.nodes[skips[0]].name, names, gamma, normalised, projected
        )

    def _paths(self, fork: int, end: int) -> tuple[dict[int, int], dict[int, float], dict[int, bool]]:
        """From the fork to each node before `end`: fewest linear layers, factor on that path, whether a path has no
        norm."""
        layers, factor, bare = {fork: 0}, {fork: 1.0}, {fork: True}
        for j in range(fork + 1, end):
            sources = [s for s in self.inputs[j] if s in layers]
            if not sources:
                continue
            node = self.nodes[j]
            first = min(sources, key=lambda s: layers[s])
            mixes = node.kind in {"linear", "embedding", "attention", "weights"} or node.kind == "unknown"
            layers[j] = layers[first] + mixes
            factor[j] = factor[first] * (node.factor if node.kind == "scale" and node.factor is not None else 1.0)
            bare[j] = any(bare[s] for s in sources) and node.kind != "norm"
        return layers, factor, bare

    def _meets_activation(self, fork: int, end: int) -> bool:
        inside = [j for j in range(fork + 1, end + 1) if self.ancestors[end] >> j & 1 and self.ancestors[j] >> fork & 1]
        return any(is_activation(self.nodes[j]) for j in inside)

    def _with_chains(self, found: dict[str, Residual]) -> dict[str, Residual]:
        counted = [node.name in found and found[node.name].gamma >= 1.0 for node in self.nodes]
        up, down = [0] * len(self.nodes), [0] * len(self.nodes)
        for i in range(len(self.nodes)):
            up[i] = max((up[s] for s in self.inputs[i]), default=0) + counted[i]
        for i in reversed(range(len(self.nodes))):
            down[i] = max((down[c] for c in self.consumers[i]), default=0) + counted[i]
        from dataclasses import replace

        return {
            name: replace(r, chained=max(1, up[self.at[name]] + down[self.at[name]] - 1)) for name, r in found.items()
        }

    # where a branch or a projection ends

    def _end(
        self, name: str, residual: Residual, *, projection: bool = False, alpha_square: float = 1.0, share: int = 1,
        through: Activation | None = None,
    ) -> None:  # fmt: skip
        """Walks back from one input of a residual sum to the layers that must carry its scale."""
        i = self.at[name]
        node = self.nodes[i]
        if name == residual.fork:
            return
        part = self.parts.get(name)
        if part is not None:
            if part.branch is None and part.projection is None:
                part.branch, part.projection = (None, residual) if projection else (residual, None)
                part.alpha_square, part.share, part.through = alpha_square, share, through
            return
        sources = list(dict.fromkeys(self.inputs[i]))
        if node.kind == "scale" and node.factor is not None:
            alpha_square *= node.factor**2
        if node.kind == "multiply" and name in self.factors:
            alpha_square *= self.factors[name]
        elif node.kind == "multiply":
            sources = sources[-1:]
        elif node.kind == "attention":
            sources = [sources[2] if len(sources) > 2 else sources[-1]] if sources else []
        elif node.kind == "add":
            share *= max(1, len(sources))
        elif is_activation(node):
            through = node.activation
        elif node.kind in {"unknown", "embedding", "input", "weights"}:
            self.notes.append(f"the branch that ends in {name} ({node.detail or node.kind}) cannot be scaled")
            return
        for source in sources:
            self._end(
                self.nodes[source].name, residual, projection=projection, alpha_square=alpha_square, share=share,
                through=through,
            )  # fmt: skip

    def _share(self, i: int) -> None:
        """Layers that are only added up split what the sum should have."""
        terms = self._summed(i, set())
        for j in terms:
            part = self.parts[self.nodes[j].name]
            if part.branch is None and part.projection is None and part.share == 1:
                part.share = len(terms)

    def _summed(self, i: int, seen: set[int]) -> list[int]:
        found: list[int] = []
        for source in dict.fromkeys(self.inputs[i]):
            node = self.nodes[source]
            if source in seen:
                continue
            seen.add(source)
            if self._is_layer(node):
                found.append(source)
            elif passes(node) and node.kind != "concatenate":
                found += self._summed(source, seen)
        return found


def names_of(nodes: Iterable[Node]) -> str:
    """The names of nodes for a sentence."""
    return ", ".join(node.name for node in nodes)
