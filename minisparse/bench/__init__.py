"""Side-by-side timing against other libraries: in turns, right results only, the machine told."""
