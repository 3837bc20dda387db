"""The mix: which tokens a training run sees, how often and in which order.

::

    shards ─membership─▶ streams ─windows─▶ packing ─▶ plan ─schedule─▶ sequences ─▶ trainer

:func:`plan_mix` makes a :class:`MixPlan` (``plan``), :class:`MixReader` (``sequences``) gives the sequence of any
sample number. numpy and pyarrow only.
"""

from pipeline.tokens.mix.plan import MixPlan, plan_mix
from pipeline.tokens.mix.sequences import MixReader, Sequence

__all__ = ["MixPlan", "MixReader", "Sequence", "plan_mix"]
