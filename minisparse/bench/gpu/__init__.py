"""``minisparse bench gpu``: all checks and all timings on a graphics card, in under nine minutes.

A part is a constant of one of the files here, found by looking. Each runs in processes of its own,
because a fault on a card ends the process that made it: one part that fails never hides another.
What is done lies in a file after every part, so that a run that is cut off has told what it knew.
"""
