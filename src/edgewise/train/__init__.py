"""Training many networks at once."""

from edgewise.train.adam import Adam
from edgewise.train.ensemble import Initial, Member, Parameters, Shape, forward, initialise
from edgewise.train.sgd import SGD
from edgewise.train.training import Training, accuracy, train

__all__ = [
    "SGD",
    "Adam",
    "Initial",
    "Member",
    "Parameters",
    "Shape",
    "Training",
    "accuracy",
    "forward",
    "initialise",
    "train",
]
