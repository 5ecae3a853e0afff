"""Simulated lesions, arterial phase and breathing in one real CT: patients of the same names."""

from remodal.intake.datasets.phantom import cases

__all__ = ["cases"]
