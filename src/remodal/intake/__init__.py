"""Reading hospital images: DICOM series, research formats, labels, the sample sheet."""
