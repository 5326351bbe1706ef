"""The programs at the other end of the promise: at home or on a server, `python -m station <command>`, one module a command.

They import the names of topics from the device's code; nothing imports them. A command's module has `add_arguments(parser)` and
`run(args)`, which returns the exit code, and has a row in `station/__main__.py`.
"""
