"""Accurate solutions of the equations, each with a measured error: what a network's solution is compared with."""

from edgewise.pinn.reference.reference import Reference

__all__ = ["Reference"]
