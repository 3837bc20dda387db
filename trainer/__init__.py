"""The bundled trainer: Qwen2.5 on the sequences of a mix. ``python -m trainer --help`` says how to start it.

Read in this order: ``config`` (sizes), ``model``, ``loss``, ``data`` (batches), ``optimize``, ``checkpoint``,
``evaluate``, ``loop``. It knows the pipeline only by its token shards and mix.
"""
