"""What tries to break the node: cuts of link, broker and power, a simulated world from a seed, mutants of its code."""
