"""The abdominal MR of the CHAOS challenge (2019) as it is distributed.

```
Train_Sets/MR/<patient>/T1DUAL/DICOM_anon/InPhase, OutPhase   one series each, of one acquisition
Train_Sets/MR/<patient>/T1DUAL/Ground/*.png                   the label of both
Train_Sets/MR/<patient>/T2SPIR/DICOM_anon                     another acquisition, on its own grid
Train_Sets/MR/<patient>/T2SPIR/Ground/*.png                   its label
```

`Test_Sets` is the same with empty `Ground` folders. The pictures' grey values are 63 for the liver,
126 and 189 for the right and the left kidney and 252 for the spleen, each within a range. In the
order of their names they are the slices along the series' normal: so they are read by nnU-Net's
conversion (MIC-DKFZ/nnUNet, version 1, Task037), which took part in the challenge, and by others.
All this is from such public readers; it has not been tried on the data themselves.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from remodal.errors import UserError
from remodal.intake.datasets import CaseSource
from remodal.intake.distributed import named_folder, reading_folders, require_images_of
from remodal.intake.label_source import LabelSource

if TYPE_CHECKING:
    from remodal.settings import Settings

LIVER, RIGHT_KIDNEY, LEFT_KIDNEY, SPLEEN = 1, 2, 3, 4

#: Where a patient's images are, by the name that a study gives them.
_SERIES = {
    "t1": Path("T1DUAL/DICOM_anon/InPhase"),
    "t1_out": Path("T1DUAL/DICOM_anon/OutPhase"),
    "t2": Path("T2SPIR/DICOM_anon"),
}
#: First and last grey value of each organ in the pictures.
_GREY = {LIVER: (55, 70), RIGHT_KIDNEY: (110, 135), LEFT_KIDNEY: (175, 200), SPLEEN: (240, 255)}
_VALUES = tuple(
    (value, grey) for value, (first, last) in _GREY.items() for grey in range(first, last + 1)
)
#: How far below the folder that a user names patients are looked for.
_DEPTH = 4
_EXPECTED = "CHAOS's MR/1/T1DUAL, MR/1/T2SPIR ..."


def cases(settings: "Settings") -> list[CaseSource]:
    """The patients below the folder `data.folder`, as `MR_1` ..., in the order of their numbers.

    `t1` is the image in phase, `t1_out` the one out of phase, `t2` the T2-SPIR. A patient without
    labels is unlabelled.

    Raises:
        UserError: no folder is named, it holds no patient, or one twice, or the study wants another
            image.
        EnvironmentProblem: a folder may not be read.
    """
    require_images_of(settings, _SERIES, "CHAOS")
    found: dict[str, CaseSource] = {}
    with reading_folders():
        for patient in _patients(named_folder(settings, _EXPECTED)):
            case = _case(patient, settings)
            if case.case in found:
                raise UserError("the patient is there twice", where=str(patient), expected="once")
            found[case.case] = case
    if not found:
        where = str(settings.data.folder)
        raise UserError("holds no patient of CHAOS", where=where, expected=_EXPECTED)
    return sorted(found.values(), key=lambda case: (len(case.case), case.case))


def _patients(folder: Path) -> Iterator[Path]:
    """Patients' folders: the first ones below a folder that hold a sequence's."""
    level = [folder]
    for _ in range(_DEPTH):
        if found := [path for path in level if _is_patient(path)]:
            yield from found
            return
        level = [path for parent in level for path in sorted(parent.iterdir()) if path.is_dir()]


def _is_patient(folder: Path) -> bool:
    return any((folder / path.parts[0]).is_dir() for path in _SERIES.values())


def _case(patient: Path, settings: "Settings") -> CaseSource:
    """A patient's images and labels; one without any image names those that should be there."""
    wanted = {name: patient / _SERIES[name] for name in settings.data.modalities}
    images = {name: path for name, path in wanted.items() if path.is_dir()} or wanted
    name = f"MR_{patient.name}"
    labels = {
        modality: LabelSource((ground,), renumbered=_VALUES)
        for modality in _with_label(images, settings)
        if any((ground := _ground(patient, modality)).glob("*.png"))
    }
    return CaseSource(name, name, "", images, labels)


def _with_label(images: dict[str, Path], settings: "Settings") -> list[str]:
    """The images that a label is read for: each, or one if all share one truth."""
    if settings.data.truth == "image":
        return list(images)
    return [settings.registration.reference(list(images))]


def _ground(patient: Path, modality: str) -> Path:
    return patient / _SERIES[modality].parts[0] / "Ground"
