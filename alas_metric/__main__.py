"""``python -m alas_metric``: the same as ``alas``."""

import sys

from alas_metric.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
