"""Segmenting patients outside any study with trained models: what `remodal predict` does."""
