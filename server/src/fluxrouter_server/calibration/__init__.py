"""Trains and judges tier models from labels of a team's own traffic, outside the hot path.

Modules that compute need numpy (the extra `calibrate`); `entry` imports them when they are asked
for, so that a server without numpy can still load and explain a model.
"""

import os

# Before numpy is imported anywhere in this package. The matrices are small, and the threads of a
# linear algebra library wait for each other by spinning: on busy cores one thread is up to ten
# times faster than two (measured), and leaves a server beside it alone.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
