"""What the simulator is made of: where threads wait, and what a checked run looks at.

A plain run needs ``here.py``, what ``jit`` is to a thread, and ``waits.py``. A checked run rewrites
the program (``instrument.py``), so that each access, number and statement goes through ``jit``,
which is then :class:`~minisparse.gpu.simulation.checked.Checked`: ``touches.py`` looks at memory
with the help of ``races.py``, ``arithmetic.py`` at numbers, ``statements.py`` counts lines.
"""
