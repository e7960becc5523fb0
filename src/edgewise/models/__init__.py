"""Short reference networks, one family a file: what the studies train and the tests of real models start from.

Every model takes ``activation=``, anything that `ew.activation` takes, and makes a module of its own at each place
where it is applied, so that learned parameters are not shared and a name tells the place. Every other option is
keyword-only. No control flow depends on a tensor, so that torch.fx can trace them. ``reset_parameters(generator)``
draws the parameters anew as the model's authors did, whatever the activation: `ew.init` is what knows better.
"""

from edgewise.models.cnn import CNN
from edgewise.models.densenet import DenseNet
from edgewise.models.fast_cnn import FastCNN
from edgewise.models.gpt import GPT
from edgewise.models.mlp import MLP
from edgewise.models.plain import PlainCNN
from edgewise.models.preactivation_resnet import PreActivationResNet
from edgewise.models.resnet import ResNet
from edgewise.models.vgg import VGG
from edgewise.models.wide_resnet import WideResNet

__all__ = ["CNN", "GPT", "MLP", "VGG", "DenseNet", "FastCNN", "PlainCNN", "PreActivationResNet", "ResNet", "WideResNet"]
