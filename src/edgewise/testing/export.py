"""ONNX: exported by torch, run by onnxruntime, equal to eager float32."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from edgewise.testing import points
from edgewise.testing.outcome import ConformanceError, NotApplicable

if TYPE_CHECKING:
    from edgewise.activations import Activation


class _Side(nn.Module):
    """Several activations on inputs of their own, as one graph."""

    def __init__(self, activations: Sequence[Activation]) -> None:
        super().__init__()
        self.modules_ = nn.ModuleList([a.module(trainable=False) for a in activations])

    def forward(self, *xs: Tensor) -> tuple[Tensor, ...]:
        return tuple(m(x) for m, x in zip(self.modules_, xs, strict=True))


def check_onnx(activation: Activation) -> None:
    """Exported with torch.onnx (dynamo), onnxruntime gives the eager float32 values; see `check_onnx_all`."""
    check_onnx_all([activation])


def check_onnx_all(activations: Sequence[Activation]) -> None:
    """Exports all of these activations as one graph and runs it in onnxruntime on float32.

    onnxruntime approximates exp, tanh and erf itself, to an absolute error of a few units in the last place of 1:
    allowed are 64 eps max(1, |x|) max(1, |sigma|).

    Raises ConformanceError, NotApplicable where onnx, onnxscript or onnxruntime is not installed.
    """
    missing = [p for p in ("onnx", "onnxscript", "onnxruntime") if importlib.util.find_spec(p) is None]
    if missing:
        raise NotApplicable(f"{', '.join(missing)} not installed: pip install 'edgewise[testing]'")
    inputs = [_export_points(a) for a in activations]
    names = ", ".join(a.spec for a in activations)
    try:
        outputs = _run(_exported(_Side(activations).eval(), inputs), inputs)
    except Exception as error:
        raise ConformanceError(
            f"{names}: ONNX export or run failed: {type(error).__name__}: {str(error)[:600]}"
        ) from error
    eps = torch.finfo(torch.float32).eps
    for activation, x, found in zip(activations, inputs, outputs, strict=True):
        expected = activation(x)
        allowed = 64 * eps * x.abs().clamp_min(1) * expected.abs().clamp_min(1)
        wrong = ~((found - expected).abs() <= allowed)
        if wrong.any():
            i = int(wrong.nonzero()[0])
            raise ConformanceError(
                f"{activation.spec}: onnxruntime gives {found[i]:.9g} at x={x[i]:.9g}, eager float32 {expected[i]:.9g}"
            )


def _export_points(activation: Activation) -> Tensor:
    far = torch.tensor([-100.0, -30.0, -15.0, 0.0, 15.0, 30.0, 100.0])
    return torch.cat([points.smooth(activation.kinks, margin=1e-3, count=64).float(), far])


def _exported(module: nn.Module, inputs: Sequence[Tensor]) -> bytes:
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # the exporter's own
            program = torch.onnx.export(module, tuple(inputs), dynamo=True, verbose=False)
    finally:
        logger.setLevel(level)
    assert program is not None
    return program.model_proto.SerializeToString()  # type: ignore[no-any-return]


def _run(model: bytes, inputs: Sequence[Tensor]) -> list[Tensor]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feeds = {port.name: x.numpy() for port, x in zip(session.get_inputs(), inputs, strict=True)}
    return [torch.from_numpy(y) for y in session.run(None, feeds)]
