"""Scripts that time another toolkit's heuristics, each run by the Python of a virtual environment that has it.

A script gets the path of a JSON list of texts and prints one line of JSON: ``version``, ``what`` ran, and ``seconds``
of process time, the better of two turns after a warm-up. They import nothing of ours, since the toolkits' pins rule out
ours.
"""
