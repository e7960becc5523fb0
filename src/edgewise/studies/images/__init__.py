"""Image networks by name, trained on one loop, and activations compared on them."""

from edgewise.studies.images.evaluation import Curve, Score, evaluate
from edgewise.studies.images.networks import INITS, Init, image_network, image_networks
from edgewise.studies.images.run import ImageRun
from edgewise.studies.images.training import train_images

__all__ = [
    "INITS",
    "Curve",
    "ImageRun",
    "Init",
    "Score",
    "evaluate",
    "image_network",
    "image_networks",
    "train_images",
]
