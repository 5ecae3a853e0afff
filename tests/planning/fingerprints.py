"""Spacings and shapes of training sets like those that nnU-Net was made on, drawn at random."""

import numpy as np


def _cases(count, spacing, shape, seed, classes=1, channels=1, **options):
    """Cases with spacings (z, y, x) and extents that vary about the given ones."""
    random = np.random.default_rng(seed)
    vary = np.array(options.pop("vary", (0.2, 0.1, 0.1)))
    spacings, shapes = [], []
    for _ in range(count):
        factors = 1 + vary * random.uniform(-1, 1, 3)
        steps = np.round(np.array(spacing) * factors, 3)
        size = np.array(shape) * random.uniform(0.85, 1.15, 3)
        spacings.append(steps.tolist())
        shapes.append([round(length) for length in size])
    return {
        "spacings": spacings,
        "shapes": shapes,
        "classes": classes,
        "channels": channels,
        **options,
    }


FINGERPRINTS = {
    "liver_ct": _cases(20, (1.0, 0.77, 0.77), (432, 512, 512), 1, classes=2),
    "liver_ct_thick": _cases(20, (5.0, 0.75, 0.75), (60, 512, 512), 2, vary=(0.6, 0.1, 0.1)),
    "brain_mr": _cases(50, (1.0, 1.0, 1.0), (138, 170, 138), 3, 3, channels=4, vary=(0, 0, 0)),
    "hippocampus": _cases(260, (1.0, 1.0, 1.0), (36, 50, 35), 4, classes=2, vary=(0, 0, 0)),
    "cardiac_cine": _cases(20, (10.0, 1.56, 1.56), (9, 237, 208), 5, 3, vary=(0.5, 0.1, 0.1)),
    "pancreas_ct": _cases(40, (2.5, 0.8, 0.8), (93, 512, 512), 6, classes=2, vary=(0.7, 0.1, 0.1)),
    "prostate_mr": _cases(16, (3.6, 0.62, 0.62), (20, 320, 319), 7, channels=2),
    "whole_body": _cases(12, (1.5, 1.37, 1.37), (900, 512, 512), 8, classes=5),
    "coronal": _cases(15, (1.2, 6.0, 1.2), (256, 30, 256), 9),
    "tiny": _cases(10, (2.0, 2.0, 2.0), (14, 18, 12), 10),
    "liver_ct_24_gb": _cases(20, (1.0, 0.77, 0.77), (432, 512, 512), 1, 2, gpu_memory=24),
    "few_brains": _cases(4, (1.1, 0.9, 0.9), (150, 190, 160), 12),
}
