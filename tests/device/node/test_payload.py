"""A reading's bytes: what every subscriber parses."""

import json

from firmware import payload
from firmware.upkeep import document

FIELDS = (("temperature", 2), ("count", 0), ("open", 0))


def test_reading_in_full():
    members = payload.body(FIELDS, (21.375, 7, True))
    got = payload.reading(1763630000123, 17, 42, members)
    assert (
        got == b'{"ts":1763630000123,"boot":17,"seq":42,"temperature":21.38,"count":7,"open":true}'
    ), got


def test_no_ts_while_the_clock_is_not_trusted():
    assert payload.reading(None, 1, 2, b'"x":1') == b'{"boot":1,"seq":2,"x":1}'


def test_numbers_keep_their_type():
    assert payload.body((("t", 0), ("n", 2)), (21.0, 21)) == b'"t":21.0,"n":21'


def test_negative_and_small():
    assert payload.body((("t", 2),), (-10.125,)) in (b'"t":-10.12', b'"t":-10.13')
    assert payload.body((("t", 2),), (0.004,)) == b'"t":0.00'


def test_not_a_number_is_never_published():
    for value in (float("nan"), float("inf"), float("-inf")):
        try:
            payload.body((("t", 2),), (value,))
        except ValueError as e:
            assert "t is not a number" in str(e)
        else:
            raise AssertionError(value)


def test_error_text_is_escaped():
    got = payload.reading(None, 1, 2, payload.error('no "answer"\n'))
    assert json.loads(got)["error"] == 'no "answer"\n'


def test_document_keeps_order_and_leaves_out_none():
    got = document.whole((("b", 1), ("a", None), ("c", "x"), ("d", ["e"])))
    assert got == b'{"b":1,"c":"x","d":["e"]}', got


def test_what_was_not_measured_is_left_out():
    assert payload.body(FIELDS, (21.375, None, True)) == b'"temperature":21.38,"open":true'
    assert payload.body(FIELDS, (None, 7, None)) == b'"count":7'
