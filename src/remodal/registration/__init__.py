"""Registration: every modality of a case on the fixed one's grid."""

from remodal.registration.alignment import Alignment, align
from remodal.registration.case import register_case
from remodal.registration.transforms import warp_label

__all__ = ["Alignment", "align", "register_case", "warp_label"]
