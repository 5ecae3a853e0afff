"""Where studies, presets and published numbers are found.

In `config/` of the folder in which remodal works, and after that in remodal's own `config/`. So a
study of one's own lies in a folder of one's own, and may extend any of remodal's.
"""

from pathlib import Path

#: Name of the folder that holds `studies/`, `presets/` and `published/`.
CONFIG = Path("config")

#: The checkout that this package is run from; a package installed without it has no studies.
REPOSITORY = Path(__file__).resolve().parents[3]


def places(folder: Path = CONFIG) -> list[Path]:
    """The folders that hold `studies/` and so on, in the order in which they are looked through.

    Args:
        folder: the one of the working folder.
    """
    shipped = REPOSITORY / CONFIG
    same = folder.is_dir() and shipped.is_dir() and folder.samefile(shipped)
    return [folder] if same or not shipped.is_dir() else [folder, shipped]


def named_files(kind: str, name: str, folder: Path = CONFIG) -> list[Path]:
    """The files of this name, the one that counts first; empty: there is none.

    Args:
        kind: `studies`, `presets` or `published`.
        name: of the file, such as `liver.yaml`.
        folder: of the working folder.
    """
    found = (place / kind / name for place in places(folder))
    return [path for path in found if path.is_file()]


def known_names(kind: str, folder: Path = CONFIG) -> list[str]:
    """Names of all studies or presets, in alphabetical order."""
    files = (file for place in places(folder) for file in (place / kind).glob("*.yaml"))
    return sorted({file.stem for file in files})


def hidden(study: str, preset: str, folder: Path = CONFIG) -> str:
    """A line for the study and for the preset if its file hides another one of remodal's."""
    lines = []
    for kind, name in (("studies", study), ("presets", preset)):
        files = named_files(kind, f"{name}.yaml", folder)
        if len({file.read_bytes() for file in files}) > 1:
            lines.append(f"{files[0]} is taken, not remodal's own file of this name ({files[1]})\n")
    return "".join(lines)


def shipped_file(path: Path) -> Path:
    """A file that remodal's own study names, such as `config/splits/...`, found from any folder.

    Args:
        path: relative to the working folder, or absolute.

    Returns:
        The path itself, or that of remodal's own file where only this one exists.
    """
    own = REPOSITORY / path
    return own if not path.exists() and own.exists() else path
