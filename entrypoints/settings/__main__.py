"""Print the table of settings in README.md."""

import sys

from entrypoints.settings.settings import table

sys.stdout.write(table())
