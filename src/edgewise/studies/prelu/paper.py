"""What the paper reports, read in it: never measured here, drawn and told as the paper's alone."""

from __future__ import annotations

LAYERS = (
    "conv1", "conv2_1", "conv2_2", "conv2_3", "conv2_4", "conv3_1", "conv3_2", "conv3_3", "conv3_4", "conv3_5",
    "conv3_6", "fc1", "fc2",
)  # fmt: skip
SHARED = (0.681, 0.103, 0.099, 0.228, 0.561, 0.126, 0.089, 0.124, 0.062, 0.008, 0.210, 0.063, 0.031)
CHANNEL_WISE = (0.596, 0.321, 0.204, 0.294, 0.464, 0.196, 0.152, 0.145, 0.124, 0.134, 0.198, 0.074, 0.075)
"""Table 1: the learned slopes of the 14-layer model on ImageNet; of channels, their mean."""

TOP1 = {"relu": 33.82, "shared": 32.71, "channel-wise": 32.64}
"""Table 2: top-1 error of the 14-layer model on ImageNet's validation images, per cent."""

MODEL_B = (64, 64, 128, 128, 256, 256, 512, 512, 512, 512)
"""Filters of the ten 3x3 convolutions of VGG's model B, the worked example after equation (14)."""
