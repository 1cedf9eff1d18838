"""One page in which the documents of a run can be looked at and heard: reading, packing, page."""
