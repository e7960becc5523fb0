"""The part of each layer is read off the graph: hand-written graphs of the usual architectures."""

from __future__ import annotations

from edgewise.activations import activation
from edgewise.init.graph import ModelGraph, Node
from edgewise.init.roles import Roles, roles


def _graph(*nodes: Node) -> ModelGraph:
    return ModelGraph((Node("x", "input"), *nodes), "torch.fx")


def _linear(name: str, source: str) -> Node:
    return Node(name, "linear", (source,), name, (f"{name}.weight",))


def _act(name: str, source: str, spec: str = "gelu") -> Node:
    return Node(name, "activation", (source,), activation=activation(spec))


def _stack(blocks: int) -> list[Node]:
    """fc0, then blocks of norm - up - gelu - down with an identity skip, norm and head."""
    nodes, stream = [_linear("fc0", "x")], "fc0"
    for b in range(blocks):
        nodes += [
            Node(f"norm{b}", "norm", (stream,)),
            _linear(f"up{b}", f"norm{b}"),
            _act(f"act{b}", f"up{b}"),
            _linear(f"down{b}", f"act{b}"),
            Node(f"drop{b}", "dropout", (f"down{b}",)),
            Node(f"add{b}", "add", (stream, f"drop{b}")),
        ]
        stream = f"add{b}"
    return [*nodes, Node("norm", "norm", (stream,)), _linear("head", "norm"), Node("out", "output", ("head",))]


def test_a_chain() -> None:
    read = roles(
        _graph(
            _linear("a", "x"),
            _act("s", "a"),
            _linear("b", "s"),
            _act("t", "b", "tanh"),
            _linear("c", "t"),
            Node("out", "output", ("c",)),
        )
    )
    assert read.depth == 2
    assert [read.parts[n].feeds for n in "abc"] == ["activation", "activation", "output"]
    assert read.parts["b"].activation == activation("tanh")


def test_a_last_activation_belongs_to_the_output() -> None:
    read = roles(_graph(_linear("a", "x"), _act("s", "a", "sigmoid"), Node("out", "output", ("s",))))
    assert read.parts["a"].feeds == "output"


def _branch(read: Roles, name: str) -> tuple[str, int, bool]:
    residual = read.parts[name].branch
    assert residual is not None
    return residual.fork, residual.chained, residual.normalised


def test_pre_norm_blocks_end_in_their_last_linear_layer() -> None:
    read = roles(_graph(*_stack(3)))
    assert [_branch(read, f"down{b}") for b in range(3)] == [
        ("fc0", 3, True),
        ("add0", 3, True),
        ("add1", 3, True),
    ]
    assert read.parts["up1"].branch is None
    assert read.parts["up1"].activation == activation("gelu")
    assert read.depth == 1  # a norm in each block


def test_a_branch_that_ends_in_a_norm_gives_its_scale_to_the_norm() -> None:
    """ResNet v1: conv - norm - relu - conv - norm, added to the identity, then relu."""
    read = roles(
        _graph(
            _linear("stem", "x"),
            _act("s0", "stem", "relu"),
            _linear("c1", "s0"),
            Node("n1", "norm", ("c1",)),
            _act("s1", "n1", "relu"),
            _linear("c2", "s1"),
            Node("n2", "norm", ("c2",)),
            Node("sum", "add", ("n2", "s0")),
            _act("s2", "sum", "relu"),
            _linear("head", "s2"),
            Node("out", "output", ("head",)),
        )
    )
    assert read.parts["n2"].branch is not None
    assert read.parts["n2"].branch.skip == "s0"
    assert read.parts["c2"].branch is None
    assert read.parts["n1"].branch is None
    assert read.parts["n1"].activation == activation("relu")


def test_a_projection_on_the_skip_path() -> None:
    read = roles(
        _graph(
            _act("s", "x"),
            _linear("short", "s"),
            _linear("c1", "s"),
            _act("t", "c1"),
            _linear("c2", "t"),
            Node("sum", "add", ("short", "c2")),
            _linear("head", "sum"),
            Node("out", "output", ("head",)),
        )
    )
    assert read.parts["short"].projection is not None
    assert read.parts["c2"].branch is not None
    assert read.parts["c2"].branch.projected


def test_gamma_is_the_factor_on_the_skip_and_alpha_the_one_on_the_branch() -> None:
    read = roles(
        _graph(
            _linear("a", "x"),
            Node("skip", "scale", ("a",), factor=0.8),
            _act("s", "a"),
            _linear("b", "s"),
            Node("alpha", "scale", ("b",), factor=0.5),
            Node("sum", "add", ("skip", "alpha")),
            _linear("head", "sum"),
            Node("out", "output", ("head",)),
        )
    )
    part = read.parts["b"]
    assert part.branch is not None
    assert (part.branch.gamma, part.alpha_square) == (0.8, 0.25)
    assert not part.branch.normalised


def test_parallel_branches_both_count() -> None:
    """x + attention(x) + mlp(x), as in GPT-J: one fork, two sums, two branches in a row."""
    read = roles(
        _graph(
            _linear("a", "x"),
            _linear("b", "a"),
            _act("s", "a"),
            _linear("c", "s"),
            Node("one", "add", ("a", "b")),
            Node("two", "add", ("one", "c")),
            _linear("head", "two"),
            Node("out", "output", ("head",)),
        )
    )
    assert _branch(read, "b") == ("a", 2, False)
    assert _branch(read, "c") == ("a", 2, False)


def test_layers_that_are_only_added_up_share_what_is_wanted() -> None:
    nodes = (
        Node("y", "input"),
        _linear("a", "x"),
        _linear("b", "y"),
        Node("sum", "add", ("a", "b")),
        _act("s", "sum"),
        _linear("head", "s"),
        Node("out", "output", ("head",)),
    )
    read = roles(_graph(*nodes))
    assert not read.residuals
    assert (read.parts["a"].share, read.parts["b"].share) == (2, 2)
    assert read.parts["a"].activation == activation("gelu")
