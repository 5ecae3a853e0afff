"""New patients: segmented by a trained model, outside any study."""

from pathlib import Path
from typing import Annotated

import typer

from remodal.cli.arguments import Output, named_values
from remodal.cli.interruption import goes_on
from remodal.errors import UserError

commands = typer.Typer()


@commands.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def predict(
    context: typer.Context,
    model: Annotated[
        list[Path],
        typer.Option(
            help="Folder of a trained model, or of a method's trainings (`models/maml`); "
            "repeatable: the mean of the models' probabilities counts."
        ),
    ],
    output: Output,
    mask: Annotated[
        list[str] | None,
        typer.Option(
            help="A mask that the model's images are registered or cropped by, as "
            "`venous=FILE`; repeatable. With --cases they are in the sheet's column `mask`."
        ),
    ] = None,
    target: Annotated[
        str,
        typer.Option(help="The image to segment, where each image has a truth of its own."),
    ] = "",
    cases: Annotated[
        Path | None,
        typer.Option(help="A sample sheet: segment all its cases; the output is a folder."),
    ] = None,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="With --cases: .nii.gz (the default), .nii, .nrrd, .mha, .dcm (DICOM SEG), "
            ".rtstruct.dcm.",
        ),
    ] = None,
    uncertainty: Annotated[
        Path | None,
        typer.Option(help="Map of the normalised entropy, 0 to 1; with --cases a folder of maps."),
    ] = None,
    measurements: Annotated[
        Path | None,
        typer.Option(help="Table (CSV) of volumes, lesions, diameters; with --cases of all cases."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Page (HTML) of slices and measurements; with --cases a folder of them."),
    ] = None,
) -> None:
    """Segment a new patient: `--arterial DIR --venous DIR`; or all of a sheet: `--cases FILE`.

    One option per modality; any may be missing. The output's name says its format: .nii.gz, .nii,
    .nrrd, .mha, .dcm (DICOM SEG) or .rtstruct.dcm (RTSTRUCT).
    """
    images = _modality_options(context.args)
    masks = {name: Path(path) for name, path in named_values(mask or [], "--mask").items()}
    if cases is None:
        if file_format is not None:
            raise UserError(
                "the output's name says its format",
                where=f"--format {file_format}",
                expected="--format only beside --cases",
            )
        from remodal.prediction.ensemble import Ensemble
        from remodal.prediction.formats import name_of
        from remodal.prediction.outputs import Outputs
        from remodal.prediction.patient import Patient, segment

        outputs = Outputs(output, uncertainty, measurements, report)
        segment(Ensemble(model), Patient(images, masks, target, name_of(output)), outputs)
        return
    if images or masks:
        raise UserError(
            "the sheet names the images",
            where=f"--cases {cases}",
            expected="no image or mask beside it",
        )
    from remodal.prediction.cases import Wanted, predict_cases
    from remodal.prediction.ensemble import Ensemble

    wanted = Wanted(output, file_format or ".nii.gz", target, uncertainty, report, measurements)
    with goes_on("what was finished"):
        predict_cases(Ensemble(model), cases, wanted)


def _modality_options(arguments: list[str]) -> dict[str, Path]:
    """Parse `--<modality> PATH` pairs.

    Raises:
        UserError: anything else.
    """
    images: dict[str, Path] = {}
    rest = list(arguments)
    while rest:
        option, _, value = rest.pop(0).partition("=")
        if not option.startswith("--") or len(option) < 3:
            raise UserError(f"unexpected `{option}`", expected="`--<modality> PATH` options")
        if not value:
            if not rest:
                raise UserError(f"`{option}` has no path", expected="a DICOM folder or image file")
            value = rest.pop(0)
        name = option.removeprefix("--")
        if name in images:
            raise UserError(f"`{option}` is there twice", expected="one image of each modality")
        images[name] = Path(value)
    return images
