"""A training's log, kept beside its checkpoint so that a rerun's begins with earlier attempts.

Snakemake deletes a job's log before it runs the job again, and Slurm starts a new one.
"""

from pathlib import Path

from remodal.results.files import explain

JOURNAL = "log.txt"


class Journal:
    """Writes lines to standard output and to a file that each attempt appends to.

    Args:
        folder: the training's own folder; what earlier attempts wrote there is printed first.
    """

    def __init__(self, folder: Path) -> None:
        self._path = Path(folder) / JOURNAL
        if self._path.exists():
            print(self._path.read_text(encoding="utf-8"), end="", flush=True)

    def say(self, line: str) -> None:
        """Say one line.

        Raises:
            EnvironmentProblem: full disk, or no permission to write.
        """
        print(line, flush=True)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Appended in one call, so that a second writer's lines come between these, not inside.
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise explain(error, self._path) from error
