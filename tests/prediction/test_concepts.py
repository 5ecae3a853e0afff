"""Classes are named in DICOM's own terms where it has them."""

import pytest

from remodal.prediction.concepts import concept_of


@pytest.mark.parametrize(
    ("name", "category", "meaning"),
    [
        ("liver", "Anatomical Structure", "Liver"),
        ("left_atrium", "Anatomical Structure", "Left atrium"),
        ("pancreas", "Anatomical Structure", "Pancreas"),
        ("tumour", "Morphologically Abnormal Structure", "Neoplasm"),
        ("liver tumor", "Morphologically Abnormal Structure", "Neoplasm"),
        ("oedema", "Morphologically Abnormal Structure", "Edema"),
        ("core", "Tissue", "Tissue"),
        ("42", "Tissue", "Tissue"),
    ],
)
def test_a_class_is_a_lesion_a_structure_or_tissue(name, category, meaning):
    found = concept_of(name)
    assert [one.meaning.lower() for one in found] == [category.lower(), meaning.lower()]
    assert {one.scheme_designator for one in found} == {"SCT"}
