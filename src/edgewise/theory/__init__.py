"""PDLT as pure float64 functions of (activation, K, C_b, C_W)."""

from edgewise.theory.flow import KernelFlow, depth_horizon, kernel_flow
from edgewise.theory.kernels import chi_parallel, chi_perp, kernel
from edgewise.theory.recommendation import Initialisation, recommend
from edgewise.theory.residual import BranchScaling, branch_scaling, with_skip

__all__ = [
    "BranchScaling",
    "Initialisation",
    "KernelFlow",
    "branch_scaling",
    "chi_parallel",
    "chi_perp",
    "depth_horizon",
    "kernel",
    "kernel_flow",
    "recommend",
    "with_skip",
]
