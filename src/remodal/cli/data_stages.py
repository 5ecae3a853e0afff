"""The stages up to prepared cases, one command each, in the order of the data; rules call them."""

from pathlib import Path
from typing import Annotated

import typer

from remodal.cli.arguments import (
    Case,
    Fold,
    Indexed,
    Output,
    Preprocessed,
    Quarantine,
    RecordFile,
    Registered,
    SettingsFile,
    Splits,
    Studies,
)
from remodal.results.paths import STUDIES

commands = typer.Typer()


@commands.command()
def simulate(
    settings: SettingsFile,
    case: Case,
    output: Output,
    source: Annotated[
        Path, typer.Option(help="Folder of what `remodal fetch` brought, where that is needed.")
    ] = Path("source"),
    quarantine: Quarantine = False,
) -> None:
    """Simulate one patient: DICOM or image files with a label, as a hospital would send them."""
    from remodal.phantom.simulate import simulate
    from remodal.settings.composition import read_settings

    simulate(read_settings(settings), case, source, output, quarantine=quarantine)


@commands.command()
def fetch(settings: SettingsFile, output: Output) -> None:
    """Fetch what a data set's simulation starts from, such as a real CT."""
    from remodal.phantom.simulate import fetch
    from remodal.settings.composition import read_settings

    fetch(read_settings(settings), output)


@commands.command()
def convert(
    source: Annotated[Path, typer.Argument(help="DICOM folder, or NIfTI/NRRD/MHA file.")],
    case: Case,
    modality: Annotated[str, typer.Option(help="Name of the modality.")],
    output: Output,
    record: RecordFile,
    quarantine: Quarantine = False,
    indexed: Indexed = "",
) -> None:
    """Convert one image to NIfTI: sorted by geometry, checked, without identity."""
    from remodal.intake.convert import convert_image

    convert_image(
        source,
        output,
        record,
        case=case,
        modality=modality,
        quarantine=quarantine,
        indexed=indexed,
    )


@commands.command("convert-label")
def convert_label(
    files: Annotated[list[Path], typer.Argument(help="DICOM SEG or RTSTRUCT, NIfTI, NRRD or MHA.")],
    case: Case,
    drawn_on: Annotated[str, typer.Option(help="Modality the label was drawn on.")],
    reference: Annotated[Path, typer.Option(help="That modality's converted image.")],
    reference_record: Annotated[Path, typer.Option(help="That modality's record.")],
    output: Output,
    record: RecordFile,
    value: Annotated[
        list[int] | None,
        typer.Option(help="What each voxel but 0 of a file becomes; once per file, in order."),
    ] = None,
    structure: Annotated[
        list[str] | None,
        typer.Option(help="A structure to take and its value, as `2=GTV`; repeatable."),
    ] = None,
    renumber: Annotated[
        list[str] | None,
        typer.Option(
            help="A value of the label and what it becomes, as `4=3`: 3 becomes 4; repeatable. "
            "If any is named, all values but 0 must be."
        ),
    ] = None,
    by_slice_number: Annotated[
        bool,
        typer.Option(
            "--by-slice-number",
            help="The label's voxels are in the order of the image's DICOM files (columns, rows, "
            "InstanceNumber), wherever its header places them.",
        ),
    ] = False,
    quarantine: Quarantine = False,
    indexed: Indexed = "",
) -> None:
    """Convert one label to the grid of the image it was drawn on."""
    from remodal.intake.convert import convert_label as convert
    from remodal.intake.label_source import label_of_options

    convert(
        label_of_options(files, value or [], structure or [], renumber or [], by_slice_number),
        reference_record,
        reference,
        output,
        record,
        case=case,
        drawn_on=drawn_on,
        quarantine=quarantine,
        indexed=indexed,
    )


@commands.command()
def register(
    settings: SettingsFile,
    case: Case,
    converted: Annotated[Path, typer.Option(help="Folder of the converted case.")],
    output: Output,
    quarantine: Quarantine = False,
    modality: Annotated[
        list[str] | None,
        typer.Option(help="A modality that the case has; repeatable. None: all of the study's."),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="A modality whose image has a label; repeatable. None: no label."),
    ] = None,
    studies: Studies = STUDIES,
) -> None:
    """Bring a case's modalities onto one grid, with a quality record and picture."""
    from remodal.registration.case import register_case
    from remodal.settings.composition import read_settings

    register_case(
        read_settings(settings),
        case,
        converted,
        output,
        modality or [],
        label or [],
        studies,
        quarantine=quarantine,
    )


@commands.command()
def split(settings: SettingsFile, registered: Registered, output: Output) -> None:
    """Split the usable cases into folds, by patient."""
    from remodal.settings.composition import read_settings
    from remodal.splits.study import split_study

    split_study(read_settings(settings), registered, output)


@commands.command("plan-network")
def plan_network(
    settings: SettingsFile,
    splits: Splits,
    registered: Registered,
    output: Output,
    studies: Studies = STUDIES,
) -> None:
    """Plan strides, kernels, patch, batch and spacing as nnU-Net does (`network: auto`)."""
    from remodal.preprocessing.plan import plan_study
    from remodal.results.files import write_text
    from remodal.run.check import check_patches
    from remodal.settings.composition import planned, read_unplanned

    study = read_unplanned(settings)
    plan, text = plan_study(study, splits, registered, studies)
    check_patches(planned(study, plan))
    write_text(output, text)


@commands.command()
def fingerprint(
    settings: SettingsFile, splits: Splits, fold: Fold, registered: Registered, output: Output
) -> None:
    """Measure spacing and intensities on the training cases of a fold."""
    from remodal.preprocessing import fingerprint_fold
    from remodal.settings.composition import read_planned

    fingerprint_fold(read_planned(settings), splits, fold, registered, output)


@commands.command()
def preprocess(
    settings: SettingsFile,
    case: Case,
    registered: Annotated[Path, typer.Option(help="Folder of the registered case.")],
    output: Annotated[Path, typer.Option(help="Folder of the study's preprocessed cases.")],
    fingerprint: Annotated[
        list[Path] | None,
        typer.Option(help="Fingerprint of a fold, where folds differ; repeatable."),
    ] = None,
    quarantine: Quarantine = False,
    studies: Studies = STUDIES,
) -> None:
    """Crop, clip, normalise and resample one case for every fold, for fast random patches."""
    from remodal.preprocessing import preprocess_case
    from remodal.settings.composition import read_planned

    preprocess_case(
        read_planned(settings),
        case,
        registered,
        fingerprint or [],
        output,
        studies,
        quarantine=quarantine,
    )


@commands.command()
def inventory(
    splits: Splits,
    fold: Fold,
    preprocessed: Preprocessed,
    training: Annotated[Path, typer.Option(help="File to write: cases that training reads.")],
    test: Annotated[Path, typer.Option(help="File to write: cases that inference reads.")],
) -> None:
    """List a fold's preprocessed cases with digests: what training and inference depend on."""
    from remodal.preprocessing import write_inventory

    write_inventory(splits, fold, preprocessed, training, test)
