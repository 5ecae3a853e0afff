"""Simulated lesions, arterial phase and breathing in one real CT; patients as in `phantom`."""

from remodal.intake.datasets.phantom import PhantomOptions, cases
from remodal.intake.simulation import Simulation

SIMULATION = Simulation("phantom", PhantomOptions, "remodal.phantom.real_ct", fetches=True)

__all__ = ["SIMULATION", "cases"]
