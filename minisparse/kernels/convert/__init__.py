"""From one storage format to another."""
