"""The engine: recipe → plan → blocks → store → report, sources and sinks, token shards, mix, command line.

``recipe`` reads the YAML, ``plan`` turns it into blocks, ``engine`` runs blocks on an executor, ``store`` keeps
what they write, ``books`` counts every document. Imports nothing here, so that a command starts quickly and
the trainer can import the token-shard reader without the rest.
"""
