"""The three initialisations a trainability check compares, for one activation and one shape of network."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from edgewise.activations import Activation
from edgewise.errors import DomainError
from edgewise.theory.flow import kernel_flow
from edgewise.theory.kernels import kernel
from edgewise.theory.learning_rates import learning_rates
from edgewise.theory.recommendation import Initialisation, recommend
from edgewise.train.ensemble import Initial, Shape

SchemeName = Literal["pytorch", "he", "recommended"]


@dataclass(frozen=True)
class Scheme:
    """How the networks of one scheme start and how fast each layer learns.

    c_w, c_b: of the hidden layers; k0: K(1) for inputs of mean square 1; principle: why these, as
    `theory.Initialisation.principle` or the scheme's own name. weight_rates, bias_rates: learning rate of each layer
    relative to plain SGD's, None for 1 everywhere.
    """

    name: SchemeName
    initial: Initial
    c_w: float
    c_b: float
    k0: float
    principle: str
    reason: str
    weight_rates: tuple[float, ...] | None = None
    bias_rates: tuple[float, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def pytorch(shape: Shape) -> Scheme:
    """What ``nn.Linear`` does by itself: weights and biases uniform within 1/sqrt(fan-in), in every layer.

    ``kaiming_uniform_(a=sqrt(5))`` is that bound; its variance is 1/(3 fan-in), so C_W = 1/3 and C_b = 1/(3 fan-in).
    """
    third = 1.0 / 3.0
    initial = Initial(
        c_w=third, c_b=third / shape.width, first_c_w=third, first_c_b=third / shape.inputs, last_c_w=third,
        last_c_b=third / shape.width, distribution="uniform",
    )  # fmt: skip
    return Scheme(
        "pytorch", initial, initial.c_w, initial.c_b, third + third / shape.inputs, "pytorch",
        "PyTorch's default for a linear layer: weights and biases uniform within 1/sqrt(fan-in)",
    )  # fmt: skip


def he() -> Scheme:
    """Weights N(0, 2 / fan-in) and no bias in every layer (He et al. 2015, eq. 10)."""
    initial = Initial(c_w=2.0, c_b=0.0, first_c_w=2.0, first_c_b=0.0, last_c_w=2.0)
    return Scheme("he", initial, 2.0, 0.0, 2.0, "he", "He's: weights of variance 2/fan-in, no bias, made for ReLU")


def recommended(a: Activation, shape: Shape) -> Scheme:
    """What `theory.recommend` says for this depth and width.

    The first layer puts K(1) at the recommended K0 for inputs of mean square 1, the last gives outputs of variance 1.
    Every layer learns at the rate that lets its weights contribute equally to the output's NTK (PDLT chapter 9),
    relative to plain SGD: 1 / (S P), with S the mean square of what enters the layer and P the squared slope from there
    to the output; biases at 1 / P. Without these rates a K0 of 1e-5 would let the first layer, whose inputs are of
    order 1, and the biases learn 1e5 times too fast. Where the flow vanishes or diverges, all rates are 1.

    Raises EdgewiseError where theory has no answer at all.
    """
    start = recommend(a, shape.depth, width=shape.width)
    first_c_w, first_c_b = start.first_layer(1.0)
    try:
        last_c_w, weight_rates, bias_rates = _balanced(a, shape, start)
        rates_reason = "layers learn at the rates that balance their share of the output's NTK"
    except DomainError:
        last_c_w, weight_rates, bias_rates = start.c_w, None, None
        rates_reason = "the kernel does not stay finite through the depth, so all layers learn at one rate"
    return Scheme(
        name="recommended",
        initial=Initial(start.c_w, start.c_b, first_c_w, first_c_b, last_c_w),
        c_w=start.c_w,
        c_b=start.c_b,
        k0=start.k0,
        principle=start.principle,
        reason=f"{start.reason}; {rates_reason}",
        weight_rates=weight_rates,
        bias_rates=bias_rates,
    )


def _balanced(a: Activation, shape: Shape, start: Initialisation) -> tuple[float, tuple[float, ...], tuple[float, ...]]:
    """C_W of the last layer for outputs of variance 1, and the relative rates of all layers.

    `theory.learning_rates` takes the output for one more layer of the same C_W; with the output's own C_W every hidden
    layer's P is larger by their ratio. Its common 1/(depth + 1) is in the plain learning rate already.
    """
    c_w, c_b, k0, layers = start.c_w, start.c_b, start.k0, shape.depth + 1
    rates = learning_rates(a, layers, c_w=c_w, c_b=c_b, k0=k0, input_square=1.0)
    end = kernel_flow(a, shape.depth, c_w=c_w, c_b=c_b, k0=k0).kernel[-1]
    last_c_w = 1.0 / float(kernel(a, end))
    hidden = layers * c_w / last_c_w
    weights = [float(rate) * hidden for rate in rates.lambda_w[:-1]] + [float(rates.lambda_w[-1]) * layers]
    biases = [float(rate) * hidden for rate in rates.lambda_b[:-1]] + [float(rates.lambda_b[-1]) * layers]
    return last_c_w, tuple(weights), tuple(biases)
