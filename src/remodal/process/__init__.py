"""The running process: its device, its memory, its log, its progress bars, and one of its own."""
