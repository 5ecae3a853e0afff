"""Registration: every modality of a case on the fixed one's grid.

This file imports nothing, so that the Snakefile can list `ways` without numpy.
"""
