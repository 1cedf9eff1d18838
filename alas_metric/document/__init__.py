"""One utterance: similarities, paths, units, measures, and the record that holds what was found."""
