"""The PReLU paper (He, Zhang, Ren, Sun, arXiv 1502.01852), claim by claim, at the scale of CIFAR-10."""

from __future__ import annotations

from edgewise.studies.prelu import convergence, slopes, variance
from edgewise.studies.study import Study

STUDY = Study(
    name="prelu",
    title="Delving deep into rectifiers: He's initialisation and PReLU",
    paper=(
        "K. He, X. Zhang, S. Ren and J. Sun, “Delving Deep into Rectifiers: Surpassing Human-Level Performance on "
        "ImageNet Classification”, ICCV 2015, arXiv 1502.01852"
    ),
    about=(
        "PReLU is ReLU with a learned slope a below 0; He’s rule draws weights of variance 2/((1 + a²) fan-in). The "
        "paper’s networks are 8 and more times as wide and learned ImageNet; here small versions of them learn a part "
        "of CIFAR-10, and numbers for ImageNet are the paper’s"
    ),
    parts=(variance.PART, convergence.PART, slopes.PART),
)
