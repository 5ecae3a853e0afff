"""Data sets, one file each: where cases come from and what their labels mean."""
