"""Gaussian averages: one strategy a file (closed form, panels, oscillatory), one entry point."""

from edgewise.theory.averages.average import Average, average

__all__ = ["Average", "average"]
