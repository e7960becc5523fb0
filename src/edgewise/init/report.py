"""What an initialisation did: one record a parameter, and what was left alone with the reason."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.console import RenderableType

Action = Literal["initialised", "left"]


@dataclass(frozen=True)
class ParameterRecord:
    """What happened to one parameter.

    parameter: its qualified name in ``model.named_parameters()``; shared_with: its other names, where it has several.
    layer: the name of the node or module that uses it. fed_by: what feeds that layer, in words ("the input",
    "gelu (blocks.0.act)"). fan_in: how many terms each of its outputs sums. c_w, c_b: weight variance x fan-in and bias
    variance of the layer; std: the standard deviation drawn with (0: set to a constant). kernel: the predicted mean
    square K of the layer's output; None where it is not known. reason: why these numbers, or why it was left.
    """

    parameter: str
    layer: str
    shape: tuple[int, ...]
    action: Action
    fed_by: str = ""
    fan_in: float | None = None
    c_w: float | None = None
    c_b: float | None = None
    std: float | None = None
    kernel: float | None = None
    reason: str = ""
    shared_with: tuple[str, ...] = ()
    constant: float | None = None


@dataclass(frozen=True)
class LayerCheck:
    """The second moment of one layer's output on a batch, beside the prediction.

    predicted: None where the theory says nothing. measured: mean of z**2 over samples, units and positions, after any
    correction. factor: what `correct=True` multiplied the layer's weight by; 1 where nothing was corrected.
    """

    layer: str
    detail: str
    predicted: float | None
    measured: float
    factor: float = 1.0

    @property
    def ratio(self) -> float | None:
        """Measured over predicted; None without a prediction."""
        return None if not self.predicted else self.measured / self.predicted


@dataclass(frozen=True)
class InitReport:
    """What an initialisation did to a model; prints itself in a terminal (rich).

    scheme: "critical", "he", "xavier" ... parameters: one record for each parameter of the model, in its order.
    source: where the order of the layers comes from ("torch.fx", "recorded", "by hand", "modules"). seed: the initial
    seed of the generator drawn from. output_kernel: predicted second moment of the model's output. checks: what was
    measured layer by layer; empty unless asked for. reason: all of it in a sentence; notes: what else to know.
    """

    scheme: str
    reason: str
    parameters: tuple[ParameterRecord, ...]
    notes: tuple[str, ...] = ()
    source: str = ""
    seed: int | None = None
    output_kernel: float | None = None
    checks: tuple[LayerCheck, ...] = ()

    def __getitem__(self, parameter: str) -> ParameterRecord:
        """The record of a parameter by any of its names. Raises KeyError for other names."""
        for record in self.parameters:
            if parameter == record.parameter or parameter in record.shared_with:
                return record
        raise KeyError(parameter)

    @property
    def initialised(self) -> tuple[ParameterRecord, ...]:
        """The parameters that have new values."""
        return tuple(record for record in self.parameters if record.action == "initialised")

    @property
    def left(self) -> tuple[ParameterRecord, ...]:
        """The parameters that were not touched."""
        return tuple(record for record in self.parameters if record.action == "left")

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON types; a number that is not finite is None."""
        from edgewise.measure.jsonable import jsonable  # its package reads models, and so imports this one

        plain: dict[str, Any] = jsonable(asdict(self))
        return plain

    def __rich__(self) -> RenderableType:
        from edgewise.init.report_view import panel

        return panel(self)
