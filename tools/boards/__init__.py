"""What talks to a board on a port: find it, flash it, put the node on it, ask for its settings, look at its pins, listen to it."""
