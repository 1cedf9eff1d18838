"""All that touches lmms-eval: the entry point, model wrappers, figures for its loggers."""
