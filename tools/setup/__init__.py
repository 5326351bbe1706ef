"""What `make setup` brings: Python packages, libraries from PyPI, programs of Debian."""
