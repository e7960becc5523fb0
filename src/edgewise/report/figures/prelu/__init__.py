"""The figures of the PReLU study, a module a part; each module's FIGURES maps names to `registry.Drawing`."""

MODULES = ("variance", "convergence", "slopes")
"""One function a figure: plain data of a report in, a matplotlib figure out."""
