"""Questions about lineage, and searches, of a large catalogue compared with the same questions of a small one.

    python -m tests.benchmarks.lineage [--only scale closure hostile] [--databases sqlite postgresql]

The large catalogue has 1,000 models, 100,000 versions and 1,000,000 edges, the small one 1,000 versions of the same
shape. The service answers in this process, on SQLite and on PostgreSQL; the rounds of both catalogues are interleaved.
Each p95 may be ten times that of the small catalogue. The plans of the statements that the large one was sent are
printed, and the memory that the process grows by during a question.

``closure`` compares impact with a closure in plain Python over a random graph of 100,000 nodes; ``hostile`` asks for as
much as the limits allow, also from several threads at once.
"""
