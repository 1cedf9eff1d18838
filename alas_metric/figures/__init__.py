"""One figure a function, and the style that all share."""
