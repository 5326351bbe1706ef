"""Looks after many nodes: what is wrong with which, who is told, and what a store keeps."""
