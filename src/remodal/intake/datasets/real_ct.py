"""Simulated lesions, arterial phase and breathing in one real CT; patients as in `phantom`."""

from remodal.intake.datasets.phantom import PhantomOptions, cases
from remodal.intake.simulation import Simulation

#: The slices are the CT's own; until it is fetched, they are taken for those of a paper's volume.
_SLICES = 132

SIMULATION = Simulation(
    "phantom",
    PhantomOptions,
    "remodal.phantom.real_ct",
    fetches=True,
    voxels=lambda options: options.matrix**2 * _SLICES,
)

__all__ = ["SIMULATION", "cases"]
