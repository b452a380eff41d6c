"""``python -m kinefuse.cli``."""

import sys

from kinefuse.cli import main

sys.exit(main())
