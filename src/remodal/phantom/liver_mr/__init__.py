"""Simulated MR of livers with lesions: a T1 and a T2 image that nobody registered.

The anatomy is that of the simulated CT. One direction: `contrasts` (brightness of tissues) ->
`lesions` -> `patient` (painted in both contrasts) -> `pose` (where the patient lies in each image)
-> `scanner` (grids, slices, bias field, ghosts, noise) -> `bids_files` (a case of the data set
intake/datasets/t1t2_phantom.py).

The canvas of the CT holds two images, called by its phases. Here `arterial` is T2 and `venous` T1.
"""
