"""For notebooks: a run as data frames, and how records and scores show themselves."""
