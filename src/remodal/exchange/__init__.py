"""Studies and models in the formats of other programs: nnU-Net, BIDS, MONAI."""
