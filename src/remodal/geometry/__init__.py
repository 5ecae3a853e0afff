"""Where voxels lie: volumes, their lattices and orders of axes."""
