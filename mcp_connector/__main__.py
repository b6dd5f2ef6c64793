"""`python -m mcp_connector`, in a clone of the template."""

import sys

from .command import main

sys.exit(main())
