"""Training many networks at once."""

from edgewise.train.ensemble import Initial, Member, Parameters, Shape, forward, initialise
from edgewise.train.sgd import Training, accuracy, train

__all__ = ["Initial", "Member", "Parameters", "Shape", "Training", "accuracy", "forward", "initialise", "train"]
