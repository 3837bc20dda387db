"""Makes the planted corpus, ``recipes/planted``: ``python -m benchmarks.planted.make``.

``phrases/`` holds hand-written sentences of eight languages and the pages that are planted word for word,
``grammar`` makes articles of the sentences, ``pages`` reads the pages, ``edits`` makes copies and near-copies,
``bad_text`` spoils articles, ``hostile`` makes what no keyboard should, ``make`` puts all of it into files and labels.
"""
