"""Many nodes in one process, which speak as ours do, with a real broker, collector and store: what these hold, and what gives first."""
