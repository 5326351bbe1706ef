"""`make page`: what nodes measure and how they are, in a browser.

One process: it reads the collector's store, and has one connection to the broker, for commands, outputs and log lines. What comes
in is other people's: names, values and log lines go to the browser as JSON, and there into the page as text, never as HTML.
"""
