"""PDLT as pure float64 functions of (activation, K, C_b, C_W)."""

from edgewise.theory.flow import KernelFlow, depth_horizon, kernel_flow
from edgewise.theory.kernels import chi_parallel, chi_perp, fourth_moment, h, kernel, kernel_derivative, mean
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
    "fourth_moment",
    "h",
    "kernel",
    "kernel_derivative",
    "kernel_flow",
    "mean",
    "recommend",
    "with_skip",
]
