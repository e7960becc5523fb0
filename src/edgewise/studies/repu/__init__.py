"""The RePU paper (Kim and Kang, arXiv 2408.02697), claim by claim: one file a part, listed here in the page's order."""

from __future__ import annotations

from edgewise.studies.repu import (
    burgers,
    guideline,
    guideline_training,
    images,
    images_residual,
    kernels,
    kernels_in_training,
    mean_output,
    regression,
    susceptibility,
)
from edgewise.studies.study import Study

STUDY = Study(
    name="repu",
    title="Why rectified power units fail, and what their modification mends",
    paper=(
        "J. Kim and M. Kang, “Why Rectified Power Unit Networks Fail and How to Improve It: An Effective (Field) "
        "Theory Perspective”, arXiv 2408.02697"
    ),
    about=(
        "RePU(p) is max(x, 0)^p, MRePU(p) is x (x + 1)^p above −1 and 0 below. The paper's own tables were not to be "
        "had, so its statements are examined, each by a rule that was fixed before anything was measured"
    ),
    parts=(
        kernels.PART,
        susceptibility.PART,
        guideline.PART,
        guideline_training.PART,
        kernels_in_training.PART,
        mean_output.PART,
        regression.PART,
        burgers.PART,
        images.PERCEPTRONS,
        images.CONVOLUTIONS,
        images_residual.PART,
    ),
)
