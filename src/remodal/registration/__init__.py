"""Registration: bring every modality of a case onto the grid of the fixed one.

This file imports nothing, so that the Snakefile can list `ways` without numpy.
"""
