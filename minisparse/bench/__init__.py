"""Side-by-side timing against other libraries: in one process, in turns, with the machine told."""
