"""Models side by side: table, figures, one HTML page, and two runs compared."""
