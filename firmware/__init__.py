"""Outpost: the application. What knows what a sensor node is."""

VERSION = "0.1.0"
