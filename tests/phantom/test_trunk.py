import tracemalloc

import numpy as np

from remodal.phantom.anatomy import draw_patient
from remodal.phantom.canvas import Canvas
from remodal.phantom.trunk import draw_trunk


def test_a_trunk_is_painted_in_the_memory_of_a_few_arrays_of_its_grid():
    rng = np.random.default_rng(0)
    patient = draw_patient(360.0, rng)
    x, y, z = patient.build.centre
    across, along = np.linspace(-180, 180, 48), np.linspace(-230, 50, 160)
    canvas = Canvas.blank(x + across, y + across, z + along, patient.build)
    tracemalloc.start()
    try:
        draw_trunk(canvas, patient.tissues, patient.trunk, rng)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Painted whole, it would take fourteen.
    assert peak < 5.5 * canvas.venous.nbytes, peak / canvas.venous.nbytes
