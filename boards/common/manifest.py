# What each of our builds freezes beside what upstream's does: the names of our modules, which then take no RAM.
freeze(".", "names.py")
