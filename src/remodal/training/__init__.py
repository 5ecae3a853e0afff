"""Training: patches, augmentation, optimisation, checkpoints, and the model that comes out."""
