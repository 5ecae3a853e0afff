"""Elements that a PACS stored without their value representation (VR UN), as what they are.

An archive that does not know an element stores its bytes as UN (PS3.5 6.2.2), and one that changes
a file from implicit to explicit has to, where a value has 64 kB or more and its VR counts only up
to that, as the points of a long contour do. pydicom leaves those as bytes.
"""

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset


def with_known_vrs(dataset: Dataset, *, nested: bool = False) -> Dataset:
    """The dataset, in which elements of unknown VR have the one that DICOM's dictionary says.

    Private elements stay as they are.

    Args:
        dataset: as it was read; it is changed.
        nested: in the items of its sequences, too.
    """
    for tag in list(dataset.keys()):
        raw = dataset.get_item(tag)
        if isinstance(raw, RawDataElement) and raw.VR == "UN" and dictionary_has_tag(tag):
            vr = dictionary_VR(tag)
            # What a sequence holds is implicit then, whatever the file is.
            dataset[tag] = raw._replace(VR=vr, is_implicit_VR=raw.is_implicit_VR or vr == "SQ")
        if nested and dataset.get_item(tag).VR == "SQ":
            for item in dataset[tag].value:
                with_known_vrs(item, nested=True)
    return dataset
