"""What was built: size beside the theorem's, and how exact it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgewise.construct.series import Box


@dataclass(frozen=True)
class Construction:
    """A network built to equal a polynomial; prints itself (rich).

    degree: total. layer_degree: q, the degree one hidden layer multiplies by (p for RePU, p + 1 for MRePU).
    fewest_layers: ceil(log_q degree), below which no network of these units has that degree. widths: units of each
    hidden layer. weights: those that are not 0, biases included. coefficients: terms of the Chebyshev series on the
    box. general_coefficients: those of any polynomial of that degree, C(degree + variables, variables); the theorem's
    number of units is O(that) (Li, Tang & Yu, arXiv 1903.05858).
    exact: where the identity holds in real arithmetic.
    norms: sup norms of the polynomial and its first and second derivatives over the box, as sampled, in coordinates
    that map the box to [-1, 1]^d. errors: estimated sup errors of the network in `dtype`, relative to those.
    condition: relative change of the polynomial (of its sup norm) for a relative change of the given coefficients by 1.
    function_error: of `approximate`: largest |f - network| seen between the interpolation points over the largest |f|.
    """

    activation: str
    variables: int
    degree: int
    degrees: tuple[int, ...]
    box: Box
    layer_degree: int
    fewest_layers: int
    widths: tuple[int, ...]
    weights: int
    coefficients: int
    general_coefficients: int
    exact: Literal["everywhere", "on the box"]
    dtype: str
    norms: tuple[float, float, float]
    errors: tuple[float, float, float]
    tolerance: float
    condition: float
    reason: str
    function_error: float | None = None

    @property
    def hidden_layers(self) -> int:
        return len(self.widths)

    @property
    def units(self) -> int:
        return sum(self.widths)

    @property
    def accurate(self) -> bool:
        """The estimated errors of value, first and second derivatives are all within the tolerance."""
        return all(error <= self.tolerance for error in self.errors)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON types."""
        from edgewise.theory.analysis import as_json

        derived = {"hidden_layers": self.hidden_layers, "units": self.units, "accurate": self.accurate}
        plain: dict[str, Any] = as_json(asdict(self) | derived)
        return plain

    def __rich__(self) -> RenderableType:
        from edgewise.construct.description_view import panel

        return panel(self)
