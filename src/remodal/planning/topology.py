"""How often each axis is down-sampled, and which kernels each stage has.

Source: nnU-Net (Isensee et al. 2021, supplementary note 2; MIC-DKFZ/nnUNet v2, the default
ExperimentPlanner): an axis is halved while its feature map has 8 voxels or more and its spacing is
below twice the finest; a kernel is 1 along an axis until its spacing is below twice the finest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod

Triple = tuple[int, int, int]

#: Shortest side of the feature maps at the bottom.
_SHORTEST = 4
#: From this factor on, a spacing counts as coarser than another one.
_COARSER = 2.0
#: Convolutions of a stage, in the encoder and in the decoder.
_CONVOLUTIONS = 2


@dataclass(frozen=True)
class Topology:
    """The stages of a U-Net.

    Attributes:
        strides: into each stage after the first.
        kernels: of each stage.
        patch: the smallest one that holds the wanted patch and can be halved that often.
        multiple: what the sides of a patch are multiples of.
    """

    strides: tuple[Triple, ...]
    kernels: tuple[Triple, ...]
    patch: Triple
    multiple: Triple


def topology(spacing: Sequence[float], patch: Sequence[float]) -> Topology:
    """The stages for a patch.

    Args:
        spacing: of the voxels, in mm.
        patch: wanted sides in voxels, in the same order of axes.
    """
    steps, sides = list(spacing), list(patch)
    axes = range(len(steps))
    halvings = [0 for _ in axes]
    kernel = [1 for _ in axes]
    strides: list[Triple] = []
    kernels: list[Triple] = []
    while halved := _halved(steps, sides):
        kernel = [
            3 if size == 3 or step / min(steps) < _COARSER else 1
            for size, step in zip(kernel, steps)
        ]
        for axis in halved:
            halvings[axis] += 1
            steps[axis] *= 2
            sides[axis] = ceil(sides[axis] / 2)
        strides.append(_triple(2 if axis in halved else 1 for axis in axes))
        kernels.append(_triple(kernel))
    multiple = _triple(2**count for count in halvings)
    whole = _triple(ceil(side / step) * step for side, step in zip(patch, multiple))
    return Topology(tuple(strides), (*kernels, (3, 3, 3)), whole, multiple)


def _halved(steps: Sequence[float], sides: Sequence[float]) -> list[int]:
    """The axes that are halved next; none at the bottom."""
    long = [axis for axis, side in enumerate(sides) if side >= 2 * _SHORTEST]
    if not long:
        return []
    finest = min(steps[axis] for axis in long)
    halved = [axis for axis in long if steps[axis] / finest < _COARSER]
    # A single axis is only worth a stage if something is left of it.
    if len(halved) == 1 and sides[halved[0]] < 3 * _SHORTEST:
        return []
    return halved


def feature_map_elements(
    patch: Sequence[int], strides: Sequence[Triple], widths: Sequence[int], outputs: int
) -> int:
    """Values in all feature maps of a U-Net that convolutions give, for one patch.

    Each stage of the encoder and of the decoder has two convolutions; each of the decoder also has
    an up-convolution; and at full resolution there are the logits. This is what nnU-Net estimates
    memory by (`compute_conv_feature_map_size` of its plain U-Net, without deep supervision).

    Args:
        patch: its sides.
        strides: into each stage after the first.
        widths: channels of each stage.
        outputs: channels of the logits (the classes and the background).
    """
    sides, voxels = list(patch), [prod(patch)]
    for stride in strides:
        sides = [side // step for side, step in zip(sides, stride)]
        voxels.append(prod(sides))
    stages = [width * count for width, count in zip(widths, voxels)]
    encoder = sum(_CONVOLUTIONS * values for values in stages)
    decoder = sum((_CONVOLUTIONS + 1) * values for values in stages[:-1])
    return encoder + decoder + outputs * voxels[0]


def _triple(values) -> Triple:
    z, y, x = (int(value) for value in values)
    return z, y, x
