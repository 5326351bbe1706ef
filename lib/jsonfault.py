"""Where and why a text is not JSON, in words for the person who wrote it.

`json.loads` says "syntax error in JSON" on MicroPython, and takes `{"a" 1, 3 "b": 2}` for JSON. Files
that people edit deserve better: `fault(text)` returns "line 3, column 7: a comma is missing here",
or None when the text is JSON (RFC 8259) that every parser reads alike. So what it also refuses: a key
given twice, half of a character of two \\u escapes, more than 8 levels.

A character of the text is never repeated in the words: it may be a password with a quote in it.
"""

_DEEPEST = 8  # two calls each; a Pico's stack holds some tens
_LONGEST = 32  # characters of a number
_SPACE = b" \t\r\n"
_NUMBER = b"+-.0123456789"
_WORD = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-."
_HEX = b"0123456789abcdefABCDEF"


class _Fault(Exception):
    pass


class _Scanner:
    # On bytes: MicroPython counts from the start of a str for every index beyond ASCII.

    def __init__(self, data):
        self.data = data
        self.at = 0

    def fail(self, what, at=None):
        raise _Fault("%s: %s" % (self.place(self.at if at is None else at), what))

    def place(self, at):
        start = self.data.rfind(b"\n", 0, at) + 1
        line = self.data[:start].count(b"\n") + 1
        return "line %d, column %d" % (line, len(self.data[start:at].decode()) + 1)

    def peek(self):
        """Return the next byte that is no white space, -1 at the end."""
        data = self.data
        while self.at < len(data):
            byte = data[self.at]
            if byte not in _SPACE:
                if byte in b"#/":
                    self.fail("JSON has no comments, take it out")
                return byte
            self.at += 1
        return -1

    def value(self, depth):
        byte = self.peek()
        if byte < 0:
            self.fail("the text ends where a value should be")
        elif byte in b"{[":
            if depth == _DEEPEST:
                self.fail("more than %d brackets within each other" % _DEEPEST)
            self.members(byte, depth)
        elif byte == 0x22:
            self.text()
        elif byte == 0x27:
            self.fail('text is written in double quotes: "…"')
        elif byte in _NUMBER:
            self.number()
        else:
            self.word()

    def members(self, opening, depth):
        """Go over an object or a list."""
        start = self.at
        closing = opening + 2  # ASCII: "{" 7B, "}" 7D; "[" 5B, "]" 5D
        keys = set()
        self.at += 1
        comma = None
        while True:
            byte = self.peek()
            if byte == closing:
                if comma is not None:
                    self.fail("no comma after the last one, take it out", comma)
                self.at += 1
                return
            if byte < 0:
                self.fail("the bracket opened here is not closed", start)
            if opening == 0x7B:
                self.key(byte, keys)
            self.value(depth + 1)
            end = self.at
            byte = self.peek()
            comma = None
            if byte == 0x2C:
                comma = self.at
                self.at += 1
            elif byte >= 0 and byte != closing:
                if byte in b"}]":
                    self.fail("this bracket does not fit the one opened at " + self.place(start))
                if self.data[end - 1] == 0x22:
                    self.fail(
                        "a comma is missing here, or a \\ before a quote within the text", end
                    )
                self.fail("a comma is missing here", end)

    def key(self, byte, keys):
        start = self.at
        if byte != 0x22:
            self.fail('the name of a setting is missing here, in double quotes: "name": value')
        self.text()
        key = bytes(self.data[start : self.at])
        if key in keys:
            self.fail("this name is there twice, keep one", start)
        keys.add(key)
        end = self.at
        if self.peek() != 0x3A:
            self.fail("a colon is missing here: name: value", end)
        self.at += 1

    def text(self):
        data = self.data
        start = self.at
        self.at += 1
        while self.at < len(data):
            byte = data[self.at]
            if byte == 0x22:
                self.at += 1
                return
            if byte in b"\r\n":
                break
            if byte < 0x20:
                self.fail("a control character within text, write \\t for a tab")
            if byte == 0x5C:
                self.escape()
            self.at += 1
        self.fail("the closing quote of this text is missing", start)

    def escape(self):
        start = self.at
        self.at += 1
        letter = self.data[self.at : self.at + 1]
        if letter == b"u":
            code = self.code(start)
            if 0xD800 <= code < 0xE000:
                if self.data[self.at + 5 : self.at + 7] == b"\\u":
                    self.at += 6
                    if code < 0xDC00 and 0xDC00 <= self.code(start) < 0xE000:
                        self.at += 4
                        return
                self.fail("half a character, write the character itself", start)
            self.at += 4
        elif not letter or letter not in b'"\\/bfnrt':
            self.fail("a backslash is written twice: \\\\", start)

    def code(self, start):
        digits = self.data[self.at + 1 : self.at + 5]
        if len(digits) < 4 or not all(digit in _HEX for digit in digits):
            self.fail("\\u needs four hexadecimal digits", start)
        return int(digits.decode(), 16)

    def number(self):
        start = self.at
        while self.at < len(self.data) and self.data[self.at] in _WORD:
            self.at += 1
        if self.at - start > _LONGEST:
            self.fail("a number of more than %d digits" % _LONGEST, start)
        if not _is_number(self.data[start : self.at].decode()):
            self.fail(
                "not a number of JSON: no leading 0 or +, no 0x, a digit beside the point", start
            )

    def word(self):
        start = self.at
        while self.at < len(self.data) and self.data[self.at] in _WORD:
            self.at += 1
        if self.data[start : self.at] not in (b"true", b"false", b"null"):
            self.fail("not a value: write text in double quotes, or true, false, null", start)


def _is_number(text):
    # -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
    if text.startswith("-"):
        text = text[1:]
    mantissa, mark, exponent = text.replace("E", "e").partition("e")
    whole, point, fraction = mantissa.partition(".")
    if mark and exponent[:1] in ("+", "-"):
        exponent = exponent[1:]
    return (
        whole.isdigit()
        and (whole == "0" or not whole.startswith("0"))
        and (fraction.isdigit() or not point)
        and (exponent.isdigit() or not mark)
    )


def fault(text):
    """Return "line L, column C: what is wrong" of the first place where text is not JSON, or None."""
    scanner = _Scanner(text.encode())
    try:
        scanner.value(0)
        if scanner.peek() >= 0:
            scanner.fail("nothing may follow the last bracket")
    except _Fault as e:
        return str(e)
    return None
