"""Training: patches, augmentation, the loop, checkpoints."""
