"""Networks: modules only, without losses, optimisers, files or names of modalities."""
