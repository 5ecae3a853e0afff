"""A study of one's own data: what its files say, and the files that `remodal init` writes."""
