"""``python -m wfsync``."""

import sys

from wfsync.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
