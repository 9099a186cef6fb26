"""Makes ``axon_cases`` importable from every test file, in whichever way pytest imports those."""

import sys
from pathlib import Path

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)
