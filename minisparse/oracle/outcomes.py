"""What an adapter of a foreign implementation raises when there is no result to be judged."""


class Unsupported(Exception):
    """The implementation does not take such inputs, and says so: neither right nor wrong."""


class Crashed(Exception):
    """The process in which the implementation ran has died."""


class TimedOut(Exception):
    """The implementation did not answer in time."""
