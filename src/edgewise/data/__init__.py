"""Data sets, split and normalised."""

from edgewise.data.dataset import DataSet, Split
from edgewise.data.digits import digits

__all__ = ["DataSet", "Split", "digits"]
