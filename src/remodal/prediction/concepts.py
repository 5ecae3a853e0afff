"""Coded names of classes (PS3.16): what a viewer reads besides a segment's label."""

import re
from typing import Any

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

#: Words of classes that DICOM calls otherwise.
_OTHERWISE = {"Tumour": "Neoplasm", "Tumor": "Neoplasm", "Oedema": "Edema", "Lesions": "Lesion"}
#: Lists of terms: lesions, then anatomical structures.
_LESIONS, _ANATOMY = "CID7159", "CID7192"


def concept_of(name: str) -> tuple[Code, Code]:
    """Category and type of a class by its name: `left_atrium`, `liver tumour`, `core`.

    The name, or else its last word, is looked up among DICOM's lesions and its anatomical
    structures; a name that is in neither list is tissue.
    """
    words = [word.capitalize() for word in re.findall(r"[A-Za-z]+", name)]
    words = [_OTHERWISE.get(word, word) for word in words]
    for term in ("".join(words), *words[-1:]):
        for listed, category in (
            (_LESIONS, codes.CID7150.MorphologicallyAbnormalStructure),
            (_ANATOMY, codes.CID7150.AnatomicalStructure),
        ):
            found: Any = getattr(codes, listed)
            if term and term in found.dir():
                return category, getattr(found, term)
    return codes.CID7150.Tissue, codes.SCT.Tissue
