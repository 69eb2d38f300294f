"""The life of the package on one machine, from its installation to its purge, as an administrator sees it."""

import sys

import harness

# The order of the imports is the order of the checks.
import installing  # noqa: F401
import vanishing  # noqa: F401
import running  # noqa: F401
import failing  # noqa: F401
import arranging  # noqa: F401
import chatting  # noqa: F401
import restarting  # noqa: F401
import vanished  # noqa: F401
import leaving  # noqa: F401

sys.exit(harness.run_all())
