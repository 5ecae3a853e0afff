"""From registered images to a network's input, and from its output back to the images.

The stages are `fingerprint_fold` and `preprocess_case`; the core, `prepare` and `restore_...`, also
serves patients outside any study. Nothing here imports torch.
"""

from remodal.preprocessing.case import preprocess_case
from remodal.preprocessing.fingerprint import fingerprint_fold, read_fingerprint
from remodal.preprocessing.inventory import write_inventory
from remodal.preprocessing.labels import class_indices, prepare_label
from remodal.preprocessing.prepare import (
    Prepared,
    prepare,
    restore_image,
    restore_probabilities,
)

__all__ = [
    "Prepared",
    "class_indices",
    "fingerprint_fold",
    "prepare",
    "prepare_label",
    "preprocess_case",
    "read_fingerprint",
    "restore_image",
    "restore_probabilities",
    "write_inventory",
]
