"""Report: tables, figures, one HTML file."""
