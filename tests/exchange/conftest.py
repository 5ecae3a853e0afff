"""The tiny study whose models are exported."""

from tests.inference.conftest import study as trained_study

__all__ = ["trained_study"]
