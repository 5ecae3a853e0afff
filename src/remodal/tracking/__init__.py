"""Runs and models in MLflow: jobs leave files, one merge writes the record, a server shows more."""
