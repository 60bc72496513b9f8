"""`python -m rnnpipe STAGE ...` is the same as `rnnpipe STAGE ...`."""

import sys

try:
    from rnnpipe.cli.main import main

    status = main()
except KeyboardInterrupt:  # while that was imported
    print("rnnpipe: interrupted.", file=sys.stderr)
    status = 130
sys.exit(status)
