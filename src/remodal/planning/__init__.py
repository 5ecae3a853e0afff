"""Patch, strides, kernels and batch from the training set's spacings and shapes, as nnU-Net."""
