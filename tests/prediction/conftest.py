"""The tiny study whose models predict."""

from tests.inference.conftest import study

__all__ = ["study"]
