"""Which studies there are, what they need, and how far each is here."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from remodal.errors import RemodalError
from remodal.results.paths import settings_file
from remodal.settings import Settings
from remodal.settings.composition import compose, names_in
from remodal.status.display import study_status, summary


@dataclass(frozen=True)
class KnownStudy:
    """A study that can be run here.

    Attributes:
        name: what `study=` says.
        title: what it is about.
        data: `simulated`, or the folder or sheet that has to be there; or what is wrong with the
            study's file.
        here: how far it was run, by the preset; empty where it never was.
    """

    name: str
    title: str
    data: str
    here: dict[str, str]


def known_studies(results: Path, config: Path = Path("config")) -> list[KnownStudy]:
    """Every study that config/ has, in the order of names.

    Args:
        results: folder of results.
        config: folder of studies and presets.

    Raises:
        UserError: there are no studies or presets there.
    """
    presets = names_in(config, "presets")
    return [_known(name, presets, results, config) for name in names_in(config, "studies")]


def _known(name: str, presets: list[str], results: Path, config: Path) -> KnownStudy:
    folders = {preset: results / "studies" / f"{name}-{preset}" for preset in presets}
    here = {
        preset: how_far(folder)
        for preset, folder in folders.items()
        if settings_file(folder).is_file()
    }
    try:
        settings = compose({"study": name, "preset": presets[0]}, config)
    except RemodalError as error:
        return KnownStudy(name, "", f"cannot be read: {error}", here)
    return KnownStudy(name, settings.title, _needed(settings), here)


def _needed(settings: Settings) -> str:
    if settings.data.simulated:
        return "simulated"
    place = settings.data.folder or settings.data.sheet
    if place is None:
        return "needs a folder: `data.folder`"
    return str(place) if Path(place).exists() else f"needs {place}"


def how_far(study: Path) -> str:
    """How far a study that was started is, in a few words: `done`, or what its models are."""
    try:
        status = study_status(study)
    except RemodalError as error:
        return f"cannot be read: {error}"
    return "done" if status.done else summary(status.models)


def study_lines(studies: list[KnownStudy]) -> Iterator[str]:
    """One line per study, and one below it for each preset that was run."""
    width = max(len(study.name) for study in studies)
    for study in studies:
        yield f"{study.name:{width}}  {study.title} [{study.data}]"
        for preset, state in study.here.items():
            yield f"{'':{width}}    {preset}: {state}"
