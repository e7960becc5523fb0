"""Susceptibilities of a layer with a normalisation: it fixes K and can still make gradients explode.

A layer is z -> norm -> sigma -> linear -> z' (position "before" the activation) or z -> sigma -> norm -> linear -> z'
("after", as in a pre-norm transformer block). In a wide network the statistics of layer, RMS and group normalisation
are those of the Gaussian z, so that they erase K and divide perturbations by its root. Batch normalisation subtracts
what samples have in common: what is left, v(K) = <sigma**2> - <sigma>**2, is smaller, so the next layer divides by
less. Plain batch normalisation with ReLU therefore multiplies squared gradients by pi/(pi - 1) = 1.467 a layer
(Yang et al. 2019, "A mean field theory of batch normalization"), and so does layer normalisation after ReLU.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from edgewise.activations import Activation, activation
from edgewise.errors import DomainError, NoInitialisationError
from edgewise.theory import domain, kernels
from edgewise.theory.averages import average
from edgewise.theory.averages.sphere import BatchMoments, batch_moments

if TYPE_CHECKING:
    from rich.console import RenderableType

Norm = Literal["batch", "layer", "rms", "group"]
Position = Literal["before", "after"]

SMALLEST_BATCH = 4
"""With three samples E[1/variance] over random weights is infinite (an inverse chi square of two degrees)."""


@dataclass(frozen=True)
class NormalisedLayer:
    """A layer with a normalisation, in the steady state of a deep network of them.

    kernel: K of the preactivations, whatever the layer before gave. chi_parallel: growth of a deviation of one sample's
    kernel (for batch normalisation: of its mean square about the batch's mean, beside many others); 0 where the norm
    erases it. chi_perp: growth of the squared distance of two nearby samples. chi_backward: growth of squared
    gradients from the layer's output to its input. The last two are equal at infinite width.
    """

    activation: str
    norm: Norm
    position: Position
    c_w: float
    c_b: float
    scale: float
    batch: int | None
    kernel: float
    chi_parallel: float
    chi_perp: float
    chi_backward: float
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        return asdict(self)

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.panel import Panel
        from rich.text import Text

        numbers = (
            f"K = {self.kernel:.6g}, χ∥ = {self.chi_parallel:.6g}, χ⊥ = {self.chi_perp:.6g}, "
            f"backward {self.chi_backward:.6g}"
        )
        return Panel(
            Group(Text(numbers, style="bold"), Text(self.reason)),
            title=Text(f"{self.norm} normalisation {self.position} {self.activation}", style="bold"),
            padding=(1, 2),
        )


def normalised_layer(
    a: Activation | object,
    norm: Norm,
    *,
    c_w: float = 1.0,
    c_b: float = 0.0,
    scale: float = 1.0,
    position: Position = "before",
    batch: int | None = None,
) -> NormalisedLayer:
    """K and the susceptibilities of a layer of normalisation, activation and random linear map, at infinite width.

    norm: "group" means many channels in each group (with one it is instance normalisation, which acts as "batch" over
    positions). Where positions share statistics, as in convolutions, their differences in K stay: chi_parallel = 0
    is for what they have in common. scale: the norm's own weight; its shift is 0 and its epsilon negligible.
    position: of the norm relative to the activation. batch: samples in a batch, None for many (and for running
    statistics); exact at infinite width, for "batch" before the activation only.

    With s = scale, before the activation: K = C_b + C_W <sigma**2> and chi = C_W s**2 <sigma'**2> / K for layer, RMS
    and group, over C_W v instead of K for batch, all at s**2; after it, K = C_b + C_W s**2 and chi = C_W s**2
    <sigma'**2> / <sigma**2> for RMS, over v for those that subtract a mean, at K. [derived; for finite batches with
    Yang et al. 2019, whose (B-2)/(B-3) it gives for the identity]

    Raises DomainError for another norm or position, a batch below 4 or where it does not apply, and biases that feed
    the activation ahead of a batch normalisation; NoInitialisationError where the activation has no variance.

    >>> from edgewise.theory import normalised_layer
    >>> f"{normalised_layer('relu', 'batch').chi_backward:.6f}"
    '1.466942'
    """
    a = activation(a)
    w, b, s = domain.one_positive("c_w", c_w), domain.one_not_negative("c_b", c_b), domain.one_positive("scale", scale)
    _check(norm, position, batch, b)
    if batch is not None:
        return _finite_batch(a, w, b, s, batch_moments(a, s, batch), batch)
    k = s * s if position == "before" else b + w * s * s
    g, slope, mean = (float(of(a, k)) for of in (kernels.kernel, kernels.chi_perp, kernels.mean))
    centred = norm == "batch" or (position == "after" and norm != "rms")
    kept = g - mean * mean if centred else g
    if not kept > 1e-12 * g:
        raise NoInitialisationError(
            f"{a.spec} has <sigma**2> = {g:g} of which {kept:g} is left to normalise at K={k:g}; expected > 0"
        )
    out = b + w * g if position == "before" else k
    variance = kept if position == "after" else w * kept if norm == "batch" else out  # what the norm divides by
    chi = w * s * s * slope / variance
    along = k * _variance_slope(a, k, mean) / kept if norm == "batch" else 0.0
    return NormalisedLayer(a.spec, norm, position, w, b, s, None, out, along, chi, chi, _reason(a, norm, chi, along))


def _check(norm: object, position: object, batch: object, c_b: float) -> None:
    if norm not in get_args(Norm):
        raise DomainError(f"norm={norm!r} given, expected one of {', '.join(get_args(Norm))}; try norm='layer'")
    if position not in get_args(Position):
        raise DomainError(f"position={position!r} given, expected 'before' or 'after'; try position='before'")
    if norm == "batch" and position == "after" and c_b > 0.0:
        raise DomainError(
            f"c_b={c_b:g} given for batch normalisation after the activation, expected 0: a bias shifts each unit's "
            "place on sigma for all samples alike, for which nothing is derived; try position='before'"
        )
    if batch is not None:
        size = domain.layers(batch, "batch")
        if norm != "batch" or position == "after" or size < SMALLEST_BATCH:
            raise DomainError(
                f"batch={size} given with {norm} normalisation {position} the activation, expected a batch of "
                f"{SMALLEST_BATCH} or more and batch normalisation before it; try batch=None"
            )


def _variance_slope(a: Activation, k: float, mean: float) -> float:
    """dv/dK = g' - 2 <sigma> d<sigma>/dK, with d<sigma>/dK = <sigma (z**2 - K)> / (2 K**2)."""
    at = kernels.as_kernel(k)
    second = float(average(a, at, (0,), 2).value)
    return float(kernels.chi_parallel(a, k)) - mean * (second - k * mean) / k**2


def _finite_batch(a: Activation, w: float, b: float, s: float, m: BatchMoments, size: int) -> NormalisedLayer:
    """Squared gradients through one batch normalisation of B samples, traced over its B - 1 free directions.

    dL/dz = (s sqrt(B)/|Gz|) P D dL/dsigma: G removes the mean, P also the direction e of Gz, D = diag(sigma'). |Gz|**2
    is (q - c) times a chi square of B - 1 degrees, independent of e, so that its inverse averages 1/((q - c)(B - 3));
    e is uniform on the sphere. Gradients with covariance G return with covariance proportional to G, the factor being
    tr E[P D G D] / (B - 1).
    """
    kept = m.square - m.product
    if not kept > 1e-12 * m.square:
        raise NoInitialisationError(
            f"{a.spec} has no variance within a batch of {size}; expected <sigma**2> > <sigma>**2"
        )
    trace = (
        (size - 2.0 + 1.0 / size) * m.slope_square
        + (1.0 - 1.0 / size) * (m.slope_product + m.weighted_slope_product)
        - (1.0 - 1.0 / size) * m.weighted_slope_square
    )
    chi = s * s * size / ((size - 3.0) * kept) * trace / (size - 1.0)
    reason = (
        f"{_growth(chi)}, each of {size} samples being part of its own mean and variance; "
        "a sample's own scale is not separate from the batch's, so chi_parallel is that of a large batch"
    )
    along = normalised_layer(a, "batch", c_w=w, c_b=b, scale=s).chi_parallel
    return NormalisedLayer(a.spec, "batch", "before", w, b, s, size, b + w * m.square, along, chi, chi, reason)


def _growth(chi: float) -> str:
    if abs(chi - 1.0) < 1e-9:
        return "squared gradients keep their size"
    return f"squared gradients {'grow' if chi > 1.0 else 'shrink'} by a factor of {chi:.6g} a layer"


def _reason(a: Activation, norm: Norm, chi: float, along: float) -> str:
    surrogate = (
        "; back-propagation uses another slope than sigma', which this does not count"
        if a.definition.surrogate is not None
        else ""
    )
    if norm != "batch":
        return f"{norm} normalisation erases K, so chi_parallel = 0; {_growth(chi)}{surrogate}"
    return (
        f"batch normalisation keeps K, and {_growth(chi)}; a sample larger than the others "
        f"{'keeps its excess' if abs(along - 1.0) < 1e-9 else f'changes it by {along:.6g} a layer'}{surrogate}"
    )
