"""Random changes of images and features, under which a prediction should stay the same.

All draw from torch's global generator, which training seeds before every step.

Source: yulequan/UA-MT, train_LA_meanteacher_certainty_unlabel.py (images); HiLab-git/SSL4MIS,
networks/unet.py (features; Ouali et al. 2020, in 2-D).
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def clamped_noise(image: Tensor, deviation: float, most: float) -> Tensor:
    """The image plus Gaussian noise, which is clamped to [-most, most]."""
    return image + (torch.randn_like(image) * deviation).clamp(-most, most)


def feature_noise(features: Tensor, most: float) -> Tensor:
    """Features times 1 + u, where u is uniform in [-most, most]: the same for all samples.

    Args:
        features: (B, C, Z, Y, X).
        most: largest relative change.
    """
    drawn = torch.empty_like(features[:1]).uniform_(-most, most)
    return features * (1 + drawn)


def channel_dropout(features: Tensor, share: float) -> Tensor:
    """Features (B, C, Z, Y, X) with a share of the channels set to zero, the others scaled up."""
    return F.dropout3d(features, share)


def strongest_dropout(features: Tensor, least: float, most: float) -> Tensor:
    """Features without the voxels that respond most.

    Left are the voxels at which the mean over channels is below a threshold: a share, drawn
    between `least` and `most`, of that mean's maximum in the sample.

    Args:
        features: (B, C, Z, Y, X).
        least: smallest share.
        most: largest share.
    """
    response = features.mean(1, keepdim=True)
    share = float(torch.empty(()).uniform_(least, most))
    return features * (response < share * response.amax((2, 3, 4), keepdim=True))
