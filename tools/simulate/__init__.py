"""`make run`: a node on a simulated board with a broker of its own, and what it publishes."""
