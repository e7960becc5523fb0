"""Does an activation do what it says? The conformance suite that every registered one passes, for your own::

    from edgewise.testing import ConformanceSuite, conformance

    print(conformance("x*sigmoid(2*x)"))

    class TestMine(ConformanceSuite):
        activation = "x*sigmoid(2*x)"
        reference = lambda x: x / (1 + mpmath.exp(-2 * x))

The extra ``edgewise[testing]`` brings mpmath, onnx, onnxscript and onnxruntime; without them the checks that need them
are skipped and say so.
"""

from edgewise.testing.calculus import check_gradcheck as check_gradcheck
from edgewise.testing.calculus import check_gradgradcheck as check_gradgradcheck
from edgewise.testing.calculus import check_gradient as check_gradient
from edgewise.testing.calculus import check_integrals as check_integrals
from edgewise.testing.exact import ExactJet as ExactJet
from edgewise.testing.exact import exact_jet as exact_jet
from edgewise.testing.export import check_onnx as check_onnx
from edgewise.testing.export import check_onnx_all as check_onnx_all
from edgewise.testing.facts import check_homogeneity as check_homogeneity
from edgewise.testing.facts import check_limits as check_limits
from edgewise.testing.facts import check_nan as check_nan
from edgewise.testing.facts import check_parity as check_parity
from edgewise.testing.facts import check_pieces as check_pieces
from edgewise.testing.kinks import check_kinks as check_kinks
from edgewise.testing.kinks import check_no_other_kinks as check_no_other_kinks
from edgewise.testing.kinks import check_smoothness as check_smoothness
from edgewise.testing.outcome import ConformanceError as ConformanceError
from edgewise.testing.outcome import NotApplicable as NotApplicable
from edgewise.testing.outcome import Worst as Worst
from edgewise.testing.report import CheckResult as CheckResult
from edgewise.testing.report import ConformanceReport as ConformanceReport
from edgewise.testing.storage import check_module as check_module
from edgewise.testing.storage import check_parameter_gradients as check_parameter_gradients
from edgewise.testing.storage import check_pickle as check_pickle
from edgewise.testing.storage import check_spec as check_spec
from edgewise.testing.suite import CHECKS as CHECKS
from edgewise.testing.suite import SLOW as SLOW
from edgewise.testing.suite import ConformanceSuite as ConformanceSuite
from edgewise.testing.suite import conformance as conformance
from edgewise.testing.tensors import check_dtypes as check_dtypes
from edgewise.testing.tensors import check_layouts as check_layouts
from edgewise.testing.transforms import check_compile as check_compile
from edgewise.testing.transforms import check_compile_all as check_compile_all
from edgewise.testing.transforms import check_hessian as check_hessian
from edgewise.testing.transforms import check_jacobians as check_jacobians
from edgewise.testing.transforms import check_jvp as check_jvp
from edgewise.testing.transforms import check_vmap as check_vmap
from edgewise.testing.values import check_tails as check_tails
from edgewise.testing.values import check_values as check_values
