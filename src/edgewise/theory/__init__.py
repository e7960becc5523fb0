"""PDLT as pure float64 functions of (activation, K, C_b, C_W)."""

from edgewise.theory.kernels import chi_parallel, chi_perp, kernel

__all__ = ["chi_parallel", "chi_perp", "kernel"]
