"""Models of other frameworks, read into a Graph: one folder a framework."""
