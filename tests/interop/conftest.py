"""What tests of exports have in common."""

import pytest
from tinygrad import Context


@pytest.fixture
def plain_kernels():
    """Compile kernels as they are: each runs once, and to choose tiles for it takes longer."""
    with Context(NOOPT=1):
        yield
