"""Whether what is to be shared says whose the images are."""
