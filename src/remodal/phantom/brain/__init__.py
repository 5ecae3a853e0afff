"""Simulated MR of brains with gliomas: four sequences, as BraTS distributes them.

One direction: `lobes` (surfaces) -> `cortex` (folds), `deep` (ventricles, nuclei, vessels) ->
`anatomy` (a patient as shares of tissues) -> `mass_effect`, `glioma` (its regions) -> `tissues`
(intensities) -> `mr_scanner` (slices, bias field, noise) -> `brats_files` (a case of the data set
intake/datasets/brats_phantom.py).

Places are in mm from the middle of the brain, in LPS: x to the left, y to the back, z upwards. The
standard brain is 136 mm wide, 172 mm long and 134 mm high; z = 0 is the height of the anterior
commissure.
"""
