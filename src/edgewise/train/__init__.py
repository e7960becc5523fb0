"""Training many networks at once: one loop that minimises anything, and ensembles of plain networks on top of it."""

from edgewise.train.adam import Adam
from edgewise.train.checkpoints import Checkpoints
from edgewise.train.conv_ensemble import ConvEnsemble, conv_layer_rates
from edgewise.train.convolutional import ConvParameters, ConvShape, forward_conv, initialise_conv
from edgewise.train.ensemble import Initial, Member, Parameters, Shape, forward, initialise
from edgewise.train.lookahead import Lookahead
from edgewise.train.loop import minimise
from edgewise.train.losses import CrossEntropy
from edgewise.train.member_activation import MemberActivation, tailored_members
from edgewise.train.mlp_ensemble import MLPEnsemble
from edgewise.train.network import Network
from edgewise.train.problem import Problem
from edgewise.train.records import (
    Look,
    Recorder,
    batch_losses,
    empirical_kernels,
    gradient_norms,
    outputs,
    parameter_norms,
)
from edgewise.train.run import Run
from edgewise.train.schedules import Constant, Linear, OneCycle, Step, Until, WarmupCosine
from edgewise.train.second_order import lbfgs
from edgewise.train.sgd import SGD
from edgewise.train.training import Training, accuracy, predict, train

__all__ = [
    "SGD",
    "Adam",
    "Checkpoints",
    "Constant",
    "ConvEnsemble",
    "ConvParameters",
    "ConvShape",
    "CrossEntropy",
    "Initial",
    "Linear",
    "Look",
    "Lookahead",
    "MLPEnsemble",
    "Member",
    "MemberActivation",
    "Network",
    "OneCycle",
    "Parameters",
    "Problem",
    "Recorder",
    "Run",
    "Shape",
    "Step",
    "Training",
    "Until",
    "WarmupCosine",
    "accuracy",
    "batch_losses",
    "conv_layer_rates",
    "empirical_kernels",
    "forward",
    "forward_conv",
    "gradient_norms",
    "initialise",
    "initialise_conv",
    "lbfgs",
    "minimise",
    "outputs",
    "parameter_norms",
    "predict",
    "tailored_members",
    "train",
]
