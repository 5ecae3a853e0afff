"""Studies and models for other programs, and theirs for us: nnU-Net, BIDS, MONAI."""

from pathlib import Path
from typing import Annotated

import typer

from remodal.cli.arguments import Output, named_values

commands = typer.Typer()
exports = typer.Typer(no_args_is_help=True)
imports = typer.Typer(no_args_is_help=True)
commands.add_typer(exports, name="export", help="Write a study or a model for another program.")
commands.add_typer(imports, name="import", help="Make a study of another program's data set.")

StudyFolder = Annotated[Path, typer.Argument(help="Folder of a study in results/studies.")]
Modalities = Annotated[
    str, typer.Option(help="Images to export, in order, separated by commas; by default all.")
]


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


@exports.command("nnunet")
def export_nnunet(
    study: StudyFolder,
    output: Output,
    number: Annotated[int, typer.Option(min=1, max=999, help="Number of the data set.")] = 500,
    name: Annotated[
        str, typer.Option(help="Name of the data set; by default the study's.", metavar="NAME")
    ] = "",
    modalities: Modalities = "",
    regions: Annotated[
        bool, typer.Option("--regions", help="Train on the study's regions, not its classes.")
    ] = False,
    copy: Annotated[bool, typer.Option("--copy", help="Copy images instead of linking.")] = False,
) -> None:
    """Write a study's registered cases and folds as nnU-Net's nnUNet_raw and splits_final.json."""
    from remodal.exchange.nnunet_export import export_nnunet as export

    channels = _names(modalities)
    told = export(study, output, number, name=name, modalities=channels, regions=regions, copy=copy)
    for line in told:
        typer.echo(line)


@exports.command("bids")
def export_bids(
    study: StudyFolder,
    output: Output,
    image: Annotated[
        list[str] | None,
        typer.Option(help="What a modality's files are called: `t2=acq-spir_T2w`; repeatable."),
    ] = None,
    predictions: Annotated[
        str, typer.Option(help="Methods whose predictions go in, separated by commas.")
    ] = "",
) -> None:
    """Write a study's images, masks and predictions as a data set in BIDS."""
    from remodal.exchange.bids_export import export_bids as export

    images = named_values(image or [], "--image")
    for line in export(study, output, images=images, predictions=_names(predictions)):
        typer.echo(line)


@exports.command("bundle")
def export_bundle(
    model: Annotated[Path, typer.Argument(help="Folder of a trained model.")],
    output: Output,
    modalities: Modalities = "",
    target: Annotated[
        str, typer.Option(help="Image to segment, where each has a truth of its own.")
    ] = "",
) -> None:
    """Write a trained model as a bundle of MONAI, which needs no installed remodal."""
    from remodal.exchange.bundle_export import export_bundle as export

    for line in export(model, output, modalities=_names(modalities), target=target):
        typer.echo(line)


@imports.command("nnunet")
def import_nnunet(
    folder: Annotated[
        Path, typer.Argument(help="nnUNet_raw/DatasetNNN_Name, or a version 1 task.")
    ],
    output: Output,
    splits: Annotated[
        Path | None, typer.Option(help="splits_final.json; by default where nnU-Net keeps it.")
    ] = None,
) -> None:
    """Write the study (YAML) of a raw data set of nnU-Net, with its folds beside it."""
    from remodal.exchange.nnunet_import import import_nnunet as import_study

    for line in import_study(folder, output, splits):
        typer.echo(line)
