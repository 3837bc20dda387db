"""``gristmill doctor``: whether a machine, a store and a cluster are fit for a run.

``software``, ``resources``, ``storage`` and ``cluster`` look, each at one thing; ``examine`` asks them all.
"""
