"""A node's settings as the host sees them: judged by the node's own code, laid over each other, weighed."""
