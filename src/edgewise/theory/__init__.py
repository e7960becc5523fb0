"""PDLT as pure float64 functions of (activation, K, C_b, C_W)."""

from edgewise.theory.correlation import (
    CorrelationFlow,
    FixedPoint,
    NearbyFlow,
    correlation_fixed_points,
    correlation_flow,
    nearby_flow,
)
from edgewise.theory.critical_point import CriticalPoint
from edgewise.theory.criticality import critical_points
from edgewise.theory.expansion import Expansion, expand_at_zero
from edgewise.theory.finite_width import FiniteWidth, four_point_vertex, optimal_aspect_ratio
from edgewise.theory.flow import KernelFlow, depth_horizon, kernel_flow
from edgewise.theory.interpolant import KernelFunctions, kernel_functions
from edgewise.theory.kernels import chi_parallel, chi_perp, fourth_moment, h, kernel, kernel_derivative, mean
from edgewise.theory.learning_rates import LearningRates, learning_rates
from edgewise.theory.normalisation import NormalisedLayer, normalised_layer
from edgewise.theory.ntk import NTK, KernelMatrices, input_kernel, kernel_matrix, ntk
from edgewise.theory.pairs import derivative_pair, kernel_gap, kernel_pair
from edgewise.theory.phase import PHASES, CriticalLine, PhaseDiagram, critical_line, phase_diagram
from edgewise.theory.recommendation import Initialisation, recommend
from edgewise.theory.residual import BranchScaling, branch_scaling, with_skip

__all__ = [
    "NTK",
    "PHASES",
    "BranchScaling",
    "CorrelationFlow",
    "CriticalLine",
    "CriticalPoint",
    "Expansion",
    "FiniteWidth",
    "FixedPoint",
    "Initialisation",
    "KernelFlow",
    "KernelFunctions",
    "KernelMatrices",
    "LearningRates",
    "NearbyFlow",
    "NormalisedLayer",
    "PhaseDiagram",
    "branch_scaling",
    "chi_parallel",
    "chi_perp",
    "correlation_fixed_points",
    "correlation_flow",
    "critical_line",
    "critical_points",
    "depth_horizon",
    "derivative_pair",
    "expand_at_zero",
    "four_point_vertex",
    "fourth_moment",
    "h",
    "input_kernel",
    "kernel",
    "kernel_derivative",
    "kernel_flow",
    "kernel_functions",
    "kernel_gap",
    "kernel_matrix",
    "kernel_pair",
    "learning_rates",
    "mean",
    "nearby_flow",
    "normalised_layer",
    "ntk",
    "optimal_aspect_ratio",
    "phase_diagram",
    "recommend",
    "with_skip",
]
