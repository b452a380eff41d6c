"""``python -m kinefuse``, the command line."""

import sys

from kinefuse.cli import main

sys.exit(main())
