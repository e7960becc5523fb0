"""All checks of one activation: as a pytest class to subclass, or as a function that returns a report."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from edgewise.testing import calculus, export, facts, kinks, storage, tensors, transforms, values
from edgewise.testing.exact import Reference
from edgewise.testing.outcome import ConformanceError, NotApplicable, Worst
from edgewise.testing.report import CheckResult, ConformanceReport

if TYPE_CHECKING:
    from edgewise.activations import Activation


@dataclass(frozen=True)
class Subject:
    """What is examined: the activation, its mpmath reference where there is one, and how strict `values` is to be."""

    activation: Activation
    reference: Reference | None = None
    floor: float | None = None


def _against_reference(check: Callable[..., Worst], dtype: torch.dtype) -> Callable[[Subject], Worst]:
    return lambda s: check(s.activation, s.reference, dtype=dtype, floor=s.floor)


def _alone(check: Callable[[Activation], Worst | None]) -> Callable[[Subject], Worst | None]:
    return lambda s: check(s.activation)


CHECKS: dict[str, Callable[[Subject], Worst | None]] = {
    "values": _against_reference(values.check_values, torch.float64),
    "values_float32": _against_reference(values.check_values, torch.float32),
    "tails": _against_reference(values.check_tails, torch.float64),
    "tails_float32": _against_reference(values.check_tails, torch.float32),
    "integrals": _alone(calculus.check_integrals),
    "gradient": _alone(calculus.check_gradient),
    "gradcheck": _alone(calculus.check_gradcheck),
    "gradgradcheck": _alone(calculus.check_gradgradcheck),
    "kinks": _alone(kinks.check_kinks),
    "smoothness": _alone(kinks.check_smoothness),
    "no_other_kinks": _alone(kinks.check_no_other_kinks),
    "parity": _alone(facts.check_parity),
    "homogeneity": _alone(facts.check_homogeneity),
    "pieces": _alone(facts.check_pieces),
    "limits": _alone(facts.check_limits),
    "nan": _alone(facts.check_nan),
    "dtypes": _alone(tensors.check_dtypes),
    "layouts": _alone(tensors.check_layouts),
    "vmap": _alone(transforms.check_vmap),
    "jvp": _alone(transforms.check_jvp),
    "jacobians": _alone(transforms.check_jacobians),
    "hessian": _alone(transforms.check_hessian),
    "spec": _alone(storage.check_spec),
    "pickle": _alone(storage.check_pickle),
    "module": _alone(storage.check_module),
    "parameter_gradients": _alone(storage.check_parameter_gradients),
    "compile": _alone(transforms.check_compile),
    "compile_inductor": _alone(functools.partial(transforms.check_compile, backend="inductor")),
    "onnx": _alone(export.check_onnx),
}
"""The name of every check, in the order of a report. The last three take seconds, the others hundredths of a second."""

SLOW = ("compile", "compile_inductor", "onnx")


def conformance(
    spec: object,
    reference: Reference | None = None,
    *,
    only: Collection[str] | None = None,
    skip: Collection[str] = (),
    floor: float | None = None,
) -> ConformanceReport:
    """Runs the checks on anything `ew.activation` takes; never raises for what a check finds.

    reference: sigma as a function of one ``mpmath.mpf``; None takes the built-in one of a registered activation.
    only, skip: names in `CHECKS`; `SLOW` names those that compile or export. floor: see `values`.

    Raises SpecError where `spec` is no activation, ValueError on an unknown name of a check.
    """
    subject = subject_of(spec, reference, floor)
    unknown = {*(only or ()), *skip} - CHECKS.keys()
    if unknown:
        raise ValueError(f"no check named {', '.join(sorted(unknown))}; there are {', '.join(CHECKS)}")
    chosen = [name for name in CHECKS if (only is None or name in only) and name not in skip]
    return ConformanceReport(subject.activation.spec, tuple(_result(name, subject) for name in chosen))


def subject_of(spec: object, reference: Reference | None, floor: float | None) -> Subject:
    """The activation made, and its built-in reference where none is given. Raises SpecError."""
    from edgewise.activations import activation as make

    activation = make(spec)
    if reference is None:
        try:
            from edgewise.testing.references import reference_for
        except ModuleNotFoundError:  # without mpmath the checks say so themselves
            return Subject(activation, None, floor)
        reference = reference_for(activation)
    return Subject(activation, reference, floor)


def _result(name: str, subject: Subject) -> CheckResult:
    try:
        worst = CHECKS[name](subject)
    except NotApplicable as reason:
        return CheckResult(name, "skipped", str(reason))
    except ConformanceError as error:
        return CheckResult(name, "failed", str(error))
    except Exception as error:  # an activation that raises has failed; the other checks still run
        return CheckResult(name, "failed", f"{subject.activation.spec}: raised {type(error).__name__}: {error}")
    return CheckResult(name, "passed", "" if worst is None else str(worst), worst)


class ConformanceSuite:
    """Every check as a pytest test. Subclass it under a name that starts with Test::

        class TestMine(ConformanceSuite):
            activation = "x*sigmoid(2*x)"                                  # anything ew.activation takes
            reference = lambda x: x / (1 + mpmath.exp(-2 * x))             # optional

    `skip` names checks not to run, `floor` is that of `conformance`.
    """

    activation: ClassVar[Any] = None
    reference: ClassVar[Reference | None] = None
    floor: ClassVar[float | None] = None
    skip: ClassVar[Collection[str]] = ()
    _subject: ClassVar[Subject]

    @classmethod
    def subject(cls) -> Subject:
        """The subject of this class, made once; a plain function given as an attribute is not a method."""
        if "_subject" in cls.__dict__:
            return cls._subject
        given = {name: inspect.getattr_static(cls, name) for name in ("activation", "reference")}
        plain = {name: v.__func__ if isinstance(v, staticmethod) else v for name, v in given.items()}
        cls._subject = subject_of(plain["activation"], plain["reference"], cls.floor)
        return cls._subject


def _test(name: str) -> Callable[[ConformanceSuite], None]:
    def test(self: ConformanceSuite) -> None:
        import pytest

        if name in self.skip:
            pytest.skip(f"{name} is in skip")
        try:
            CHECKS[name](self.subject())
        except NotApplicable as reason:
            pytest.skip(str(reason))

    test.__name__ = test.__qualname__ = f"test_{name}"
    return test


for _name in CHECKS:
    setattr(ConformanceSuite, f"test_{_name}", _test(_name))
