"""Networks: modules only, no objective, no optimiser, no files."""
