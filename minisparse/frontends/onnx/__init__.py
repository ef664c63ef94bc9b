"""ONNX models, read into a Graph (the ``onnx`` extra).

``reader.py`` opens files, ``tensors.py`` and ``sparse.py`` read weights, ``importer.py`` walks the
graph and asks ``rules/`` what each node means in ops of ours; what has no rule is computed by
onnx's own reference implementation (``fallback.py``), and named so.
"""
