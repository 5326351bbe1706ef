"""`make demo`: a minute in the life of a node, with its page open beside it."""
