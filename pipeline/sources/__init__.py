"""Where documents come from. One module is one kind and holds one ``SOURCE`` value; ``contract`` is read first."""
