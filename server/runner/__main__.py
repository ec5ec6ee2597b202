"""`python -m headrace.server.runner SPEC.json|RUN_ID`: one notebook run in a process of its own."""

import sys

from headrace.server.runner.process import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
