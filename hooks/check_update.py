#!/usr/bin/env python3
"""`mcp-connector check`, from a clone of the template. It needs Python 3.11 and git alone."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mcp_connector import check, locks
from mcp_connector.command import door

# Weekly jobs of older releases throw away what it would write, so it shows what it could carry.
status = door(check, carry=False)
locks.serve_weekly_job_of_1_x(Path.cwd())
sys.exit(status)
