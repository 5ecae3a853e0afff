"""Networks: modules only. No loss, no optimiser, no file and no modality name in here."""
