"""remodal: reproducible multi-modal segmentation, from hospital scans to a paper's tables."""

__version__ = "0.1.0"
