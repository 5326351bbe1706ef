"""The name that umqtt knows `socket` by; MicroPython gives it only to modules that are built in."""

from socket import getaddrinfo, socket

__all__ = ("getaddrinfo", "socket")
