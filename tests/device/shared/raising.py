"""What pytest.raises() is under CPython, for tests that MicroPython runs."""


def raises(kind, call, *args, **options):
    """Return the exception of this kind that a call raises."""
    try:
        call(*args, **options)
    except kind as e:
        return e
    raise AssertionError("no " + kind.__name__)
