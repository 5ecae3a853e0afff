"""What is in results/: its files, the record beside each, and what it was made with."""
