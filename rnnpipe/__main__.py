"""`python -m rnnpipe STAGE ...` is the same as `rnnpipe STAGE ...`."""

import sys

from rnnpipe.cli.main import main

sys.exit(main())
