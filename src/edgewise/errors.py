"""The typed errors and warnings of edgewise, and nothing else.

Every message is one plain line: what was given, what was expected, what to try. The command line prints it as it is.
"""


class EdgewiseError(Exception):
    """Root of everything edgewise raises on purpose."""


class SpecError(EdgewiseError, ValueError):
    """An activation could not be made from what was given: an unknown name, a wrong parameter, a wrong type."""


class FormulaError(SpecError):
    """A formula was refused; the message points at the offending place."""


class NotElementwiseError(SpecError):
    """A callable or module changes the shape of its input or lets one element influence another."""


class DomainError(EdgewiseError, ValueError):
    """A number lies outside the range where the question makes sense: K <= 0, c_w <= 0, NaN, a depth of 0."""


class AverageError(EdgewiseError, ArithmeticError):
    """A Gaussian average has no finite float64 value."""


class DivergentAverageError(AverageError):
    """The integral itself is infinite, as for exp(x**2) at K >= 1/4."""


class AverageOverflowError(AverageError, OverflowError):
    """The integral is finite but larger than the largest float64, as for exp(x) at K = 1000."""


class NoInitialisationError(EdgewiseError, ArithmeticError):
    """No (C_W, K0) keeps the kernel finite for even two layers."""


class DataError(EdgewiseError, OSError):
    """A data file is missing, truncated or not what its name says."""


class EdgewiseWarning(UserWarning):
    """Root of the warnings of edgewise."""


class PrecisionWarning(EdgewiseWarning):
    """A number was computed, but with a larger error than usual; the message says how large."""


class ModelError(EdgewiseError):
    """A model or a batch that cannot be read, initialised or changed as it is."""


class TraceError(ModelError):
    """The order of a model's layers could not be found out."""


class TailoringError(EdgewiseError):
    """No transformation of this activation meets the target."""


class ConstructionError(EdgewiseError, ValueError):
    """No network can be built that equals or approximates what was given."""


class TrainingError(EdgewiseError, ValueError):
    """What was asked of a training run cannot be done with this problem or these settings."""


class CheckpointError(EdgewiseError, OSError):
    """A checkpoint is damaged, or belongs to a run with other settings."""
