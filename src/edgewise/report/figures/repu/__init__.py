"""The figures of the RePU study, a module a part; each module's FIGURES maps names to `registry.Drawing`."""

MODULES = (
    "kernels",
    "susceptibility",
    "guideline",
    "guideline_training",
    "kernels_in_training",
    "mean_output",
    "regression",
    "burgers",
    "images",
)
