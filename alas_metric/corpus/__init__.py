"""Many documents: the metrics, the answer filter, intervals, and whether differences are significant."""
