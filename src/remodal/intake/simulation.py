"""Simulation belongs to a data set: a source of simulated cases says how they are made.

Such a source (a module of intake/datasets, or of another package) holds a `SIMULATION` beside its
`cases`. Light, since the Snakefile imports it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from remodal.errors import UserError
from remodal.extensions import OURS
from remodal.intake.datasets import data_source, sources
from remodal.settings.merging import problems
from remodal.settings.section import Section

if TYPE_CHECKING:
    from remodal.settings import Settings


@dataclass(frozen=True)
class Simulation:
    """How the cases of a data source are made.

    Attributes:
        part: key of the settings' section `simulation` that it reads; sources may share one.
        options: the model that checks and completes that part.
        module: dotted name of the module whose `simulate_case(options, case, output, source)` makes
            a case, in the folder `output`, and returns its record. `source` is the folder of the
            fetched files. The same options and case give the same bytes.
        fetches: whether it starts from files that the module's `fetch(folder)` has to fetch first.
        voxels: how many an image has on average under given options, so that `remodal plan` can
            tell the disk space; None: as many as a CT of full size.
    """

    part: str
    options: type[Section]
    module: str
    fetches: bool = False
    voxels: Callable[[Any], float] | None = None


def simulation_of(settings: "Settings") -> Simulation | None:
    """How a study's cases are made; None: they are not simulated, or not by remodal.

    Raises:
        UserError: an unknown source, or one whose cases are simulated in a study that does not say
            so.
    """
    simulation = getattr(data_source(settings.data.source), "SIMULATION", None)
    if simulation is not None and not settings.data.simulated:
        raise UserError(
            f"the cases of `{settings.data.source}` are simulated, and the study does not say so",
            where="data.simulated",
            expected="true",
        )
    return simulation


def require_simulation(settings: "Settings") -> Simulation:
    """How a study's cases are made.

    Raises:
        UserError: as `simulation_of`, or the study's cases are not simulated.
    """
    simulation = simulation_of(settings)
    if simulation is None:
        raise UserError(f"`{settings.data.source}` is not simulated", where="data.source")
    return simulation


def simulation_options(settings: "Settings") -> Section:
    """The checked options of a study's simulation.

    Raises:
        UserError: as `require_simulation`, or what is wrong with each option.
    """
    simulation = require_simulation(settings)
    try:
        return simulation.options.model_validate(settings.simulation.get(simulation.part, {}))
    except ValidationError as error:
        raise UserError(problems(error, f"simulation.{simulation.part}")) from error


def simulations() -> dict[str, type[Section]]:
    """The model of each of remodal's own simulations' options, by the key that holds them."""
    ours = [name for name, source in sources().items() if source.origin == OURS]
    found = (getattr(data_source(name), "SIMULATION", None) for name in ours)
    return {f"simulation.{one.part}": one.options for one in found if one}
