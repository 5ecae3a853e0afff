"""One offline page per case: images, truth and each method's segmentation, switched on and off."""
