"""From candidate pairs to relations: what stands between link and resolve of a corpus stage that verifies.

::

    candidates ─gather, by member▶ with the member's signature ─verify, by centre▶ edges with their similarity
        ─components (in memory, or large-star and small-star rounds on disk)▶ smallest address of each component
        ─label▶ edges by component ─claim, by component▶ relations

Pairs below the threshold are gone before components are made, so that a chain of chance matches joins nothing. Whatever
does not fit into memory is a sorted run, read by ranges, so memory does not grow with the corpus: a gather or verify
task holds about 256 MB of signatures, a round about 4 million edges or one vertex' own, and a claim task 2 million
edges or one component. That last one is the limit: 176 bytes an edge of the largest component.

Kiveris, Lattanzi, Mirrokni, Rastogi, Vassilvitskii: "Connected Components in MapReduce and Beyond", SOCC 2014.
"""
