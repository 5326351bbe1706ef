"""Where readings are kept. contract.py says what a store does; each other module is one kind of store."""
