"""Simulated patients, written as what a scanner would send.

One direction: `phases` (HU) and `shapes` -> `canvas` (the patient as a grid of tissues) -> `trunk`,
`organs`, `vessels` -> `anatomy` (a patient) -> `lesions`, `breathing` -> `scanner` (slices, noise)
-> `dicom_writer` -> `patient_files` (all files of a case) -> `simulate`; `real_ct` can take the
place of `anatomy`. intake/datasets/phantom.py says which cases there are.
"""
