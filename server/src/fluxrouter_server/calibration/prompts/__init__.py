"""Written prompts with judged labels, from which the default model is trained.

No prompt and no label comes from a benchmark or from anybody's traffic. Templates are filled from
word lists by a fixed random order, so that the same prompts come out everywhere. The labels are
judgements of how good a small, a large and a reasoning model of 2026 are at each kind of task; they
are not measurements, and `docs/routing.md` says so.
"""
