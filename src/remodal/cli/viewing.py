"""A look at one case of a study, in a browser."""

from pathlib import Path
from typing import Annotated

import typer

commands = typer.Typer()


@commands.command()
def view(
    case: Annotated[str, typer.Argument(help="Name of the case.")],
    study: Annotated[
        Path | None,
        typer.Option(help="Folder of the study; not needed if only one is in results/studies."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="HTML file; by default in the study's folder."),
    ] = None,
    crop: Annotated[
        bool, typer.Option("--crop", help="Keep only the part around the segmentations.")
    ] = False,
    spacing: Annotated[
        float,
        typer.Option(min=0, help="Skip voxels that are closer than this, in mm; 0: keep all."),
    ] = 0,
    niivue: Annotated[
        Path | None,
        typer.Option(help="NiiVue's script or package, where npm cannot fetch it."),
    ] = None,
) -> None:
    """Write a case's images, truth and predictions as one page that opens without a network."""
    from remodal.counting import counted
    from remodal.results.paths import STUDIES, view_file
    from remodal.viewer.bundle import bundle
    from remodal.viewer.page import write_page
    from remodal.viewer.shown import only_study, what_to_show

    folder = study or only_study(STUDIES)
    shown = what_to_show(folder, case)
    file = output or view_file(folder, case)
    page = write_page(shown, file, bundle(niivue), crop=crop, spacing=spacing)
    said = [counted(page.images, "image"), counted(page.segmentations, "segmentation")]
    typer.echo(f"{file}: {', '.join(said)}, {page.size / 1e6:.1f} MB")
    if page.note:
        typer.echo(page.note)
