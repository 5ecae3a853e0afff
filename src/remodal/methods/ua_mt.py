"""UA-MT: a mean teacher that is followed only where it is certain.

Source: yulequan/UA-MT, train_LA_meanteacher_certainty_unlabel.py (Yu et al. 2019). The teacher
predicts eight times more, with other noise and dropout; a voxel counts where the entropy of the
mean prediction is below (0.75 + 0.25 r) ln C, r a ramp-up over the whole training. The row `UA-MT`
of the DTC paper's Table 2.
"""

from math import log

import torch
from pydantic import Field
from torch import Tensor

from remodal.methods import mean_teacher
from remodal.objectives.batch import Step
from remodal.objectives.certainty import certain_difference, entropy
from remodal.objectives.ramp_up import ramp_up


class Options(mean_teacher.Options):
    """Options of UA-MT."""

    passes: int = Field(
        8,
        ge=2,
        multiple_of=2,
        description="Predictions of the teacher whose mean says how certain it is, made in pairs.",
    )
    certain: float = Field(
        0.75,
        ge=0,
        le=1,
        description="Largest entropy of a voxel that counts, as a share of ln C, at the beginning; "
        "at the end it is 1.",
    )


class UncertaintyAwareMeanTeacher(mean_teacher.MeanTeacher):
    """A mean teacher whose uncertain voxels do not count."""

    Options = Options

    def consistency(self, student: Tensor, image: Tensor, step: Step) -> Tensor:
        """How far the student is from the teacher where the teacher is certain."""
        taught, uncertainty = self.taught(image), self.uncertainty(image)
        start = self.options.certain
        share = start + (1 - start) * ramp_up(step, stairs=None)
        return certain_difference(student, taught, uncertainty, share * log(student.shape[1]))

    @torch.no_grad()
    def uncertainty(self, image: Tensor) -> Tensor:
        """Entropy (B, Z, Y, X) of the mean of several predictions of the teacher."""
        pairs = (self.taught(torch.cat([image, image])) for _ in range(self.options.passes // 2))
        total = sum(first + second for first, second in (pair.chunk(2) for pair in pairs))
        return entropy(total / self.options.passes)


METHOD = UncertaintyAwareMeanTeacher
