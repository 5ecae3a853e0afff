"""The simulate stage: makes one case of a data set, by the simulation of the data source."""

from importlib import import_module
from pathlib import Path

from remodal.errors import UserError
from remodal.intake.simulation import require_simulation, simulation_options
from remodal.results.files import removed_if_unfinished
from remodal.results.records import Record, with_quarantine
from remodal.settings import Settings


def simulate(
    settings: Settings, case: str, source: Path, output: Path, *, quarantine: bool = False
) -> Record:
    """Simulate one case of a study's data set.

    Args:
        settings: the study's settings.
        case: name of the case.
        source: folder of the files that `fetch` fetched, for a simulation that starts from files.
        output: folder of the case.
        quarantine: do not raise if the simulation fails, but write only a record of the reason.

    Raises:
        UserError: no such case, or a data set that is not simulated.
    """
    options = simulation_options(settings)
    module = import_module(require_simulation(settings).module)

    def work() -> Record:
        with removed_if_unfinished(output):
            return module.simulate_case(options, case, output, source)

    blank = Record(case=case, stage="simulate")
    return with_quarantine(work, output / "record.json", blank, [], wanted=quarantine)


def fetch(settings: Settings, output: Path) -> None:
    """Fetch the files that a data set's simulation starts from.

    Args:
        settings: the study's settings.
        output: folder that gets them.

    Raises:
        UserError: the data set needs no files.
        EnvironmentProblem: no network, or other files than expected.
    """
    simulation = require_simulation(settings)
    if not simulation.fetches:
        raise UserError(
            f"`{settings.data.source}` starts from no fetched file", where="data.source"
        )
    import_module(simulation.module).fetch(output)
