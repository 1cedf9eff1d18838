"""The report of one run: curves, distributions, what was left out."""
