"""The pilot: a small part of the input through the engine's own code, to tell time, memory and disk before a run.

``choose`` picks partitions, ``bounded`` reads a part of each, ``engine`` runs the whole plan on them in a temporary
store, ``scaling`` and ``estimate`` make of it what the whole input will take, ``outlook`` subtracts what is in the
store, ``findings`` says what looks wrong, and ``forecast`` is all of that.
"""
