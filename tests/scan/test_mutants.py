"""Headers with bytes changed at random are some kind of file, and end nothing."""

import numpy as np
import pytest

from remodal.scan.modalities import parse_modalities
from remodal.scan.scan import scan

MUTANTS = 40


@pytest.mark.parametrize("seed", range(4))
def test_a_scan_of_mutated_files_ends_with_a_sheet(seed, tmp_path, write):
    rng = np.random.default_rng(seed)
    files = write(MUTANTS, SeriesDescription="arterial", AcquisitionTime="100035")
    for file in files:
        content = bytearray(file.read_bytes())
        for _ in range(rng.integers(1, 12)):
            content[rng.integers(128, len(content))] = rng.integers(256)
        end = rng.integers(200, len(content)) if rng.random() < 0.2 else len(content)
        file.write_bytes(bytes(content[:end]))
    said = list(scan(tmp_path / "export", tmp_path / "s.tsv", parse_modalities("arterial,t1"), 1))
    assert said[0].startswith(f"{MUTANTS} files: ")
    assert (tmp_path / "s.tsv").is_file()
    assert (tmp_path / "s.scan" / "contact-sheet.html").is_file()
