"""From an export of a PACS to a sample sheet: which file is which image of which examination."""
