"""The running process: its memory, its log, its progress bars, and one of its own."""
