"""The recipe: strict YAML in, checked and frozen settings out.

``loader`` reads a file, ``model`` is what comes out, ``reference`` writes the reference of every key.
"""
