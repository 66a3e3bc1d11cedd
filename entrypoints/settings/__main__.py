"""Print the table of settings in docs/operations.md."""

import sys

from entrypoints.settings.settings import table

sys.stdout.write(table())
