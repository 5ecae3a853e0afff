"""What a segmentation is written as: its file's name says it."""

from pathlib import Path

from remodal.errors import UserError

#: Images of voxels.
IMAGES = (".nii.gz", ".nii", ".nrrd", ".mha")
RTSTRUCT, SEG = ".rtstruct.dcm", ".dcm"
#: Ends of names, as `--format` takes them too; the longer one of two that fit comes first.
FORMATS = (*IMAGES, RTSTRUCT, SEG)


def format_of(path: Path) -> str:
    """The end of a segmentation's name.

    Raises:
        UserError: it is none of `FORMATS`.
    """
    return _ending(path, FORMATS, " (DICOM SEG or RTSTRUCT)")


def name_of(path: Path) -> str:
    """A segmentation's name without its format: the patient's, in tables and on pages.

    Raises:
        UserError: the name says no format.
    """
    return path.name[: -len(format_of(path))] or "patient"


def require_image(path: Path) -> None:
    """Check that a file's name is that of an image of voxels.

    Raises:
        UserError: it is not.
    """
    _ending(path, IMAGES)


def is_dicom_format(name: str) -> bool:
    """Whether a format (`format_of`) refers to the slices of a DICOM series."""
    return name in (RTSTRUCT, SEG)


def _ending(path: Path, known: tuple[str, ...], note: str = "") -> str:
    for ending in known:
        if path.name.lower().endswith(ending):
            return ending
    raise UserError(
        "unknown image format", where=str(path), expected=f"a name in {', '.join(known)}{note}"
    )
