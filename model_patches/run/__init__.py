"""From the harness's requests to records: preparation, paired runs, journal, dumps."""
