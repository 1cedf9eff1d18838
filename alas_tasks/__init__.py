"""Tasks of the harness: data sets, what is asked, how answers are read, and the demo."""
