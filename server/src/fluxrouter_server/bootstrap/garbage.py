"""Sets Python's garbage collector up for a server that makes and drops values at a high rate."""

import gc
from typing import Final

__all__ = ["spare_the_collector"]

#: So many more containers made than dropped start a collection of young ones. Python's own 700 are
#: passed by a few calls in flight, and such a collection finds nothing: what a call makes is in no
#: cycle, and goes by itself. Looking through 20,000 takes about a millisecond.
_YOUNG: Final = 20_000
#: Collections of young containers for one of the middle generation, and of that for one of all.
_OLDER: Final = 10


def spare_the_collector() -> None:
    """Takes what the start has made out of all further collections, and has those come rarely.

    Modules, descriptors and scripts live as long as the process; going through them again and
    again took 5% of the CPU of a busy server. Call it once, when all is built and nothing served.
    """
    gc.collect()  # what the start has dropped must not be kept for good
    gc.freeze()
    gc.set_threshold(_YOUNG, _OLDER, _OLDER)
