"""The page as it goes to the phone, in pieces: generators of text and bytes, so that it is never in memory whole.

Works without JavaScript, fetches nothing, escapes whatever it did not write itself: a network may be called <script>.
"""

from micropython import const

from firmware.provisioning.form import box

_STRONG, _GOOD, _WEAK = const(-60), const(-70), const(-80)  # dBm
_BARS = "▂▄▆█"

HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
}

_HEAD = """<!DOCTYPE html><html lang=en><head><meta charset=utf-8>\
<meta name=viewport content="width=device-width,initial-scale=1">%s<title>%s</title>"""
# 4 KB, in bytes and with nothing to fill in, so that several visitors need no copy each.
_STYLE = b"""<style>
:root{color-scheme:light dark;--fg:#1c2321;--bg:#f4f6f5;--card:#fff;--line:#7b8783;--dim:#53605c;--go:#0b6b4f;--on:#fff;--bad:#a3201d;--badbg:#fdeceb}
@media(prefers-color-scheme:dark){:root{--fg:#e8edeb;--bg:#111614;--card:#1b2220;--line:#84918c;--dim:#a9b5b1;--go:#5fd3a8;--on:#06251b;--bad:#ffb0a8;--badbg:#3a1715}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:32rem;padding:1rem;font:1rem/1.45 system-ui,sans-serif;color:var(--fg);background:var(--bg);overflow-wrap:anywhere}
h1{font-size:1.4rem;line-height:1.2;margin:.25rem 0}h2{font-size:1.05rem;margin:0 0 .25rem}p{margin:.5rem 0}ul{margin:.5rem 0;padding-left:1.2rem}
.dim{color:var(--dim);font-size:.9rem}
fieldset,.note{border:1px solid var(--line);border-radius:.6rem;background:var(--card);margin:0 0 1rem;padding:.75rem 1rem 1rem;min-width:0}
legend{font-weight:600;padding:0 .4rem}fieldset fieldset{border:0;padding:0;margin:0}fieldset fieldset legend{font-weight:400;padding:0}
.note.bad{border:2px solid var(--bad);background:var(--badbg)}.err{display:block;color:var(--bad);font-weight:600;font-size:.9rem}
label{display:block;margin:.75rem 0 .25rem}
input:not([type=radio]):not([type=checkbox]){width:100%;min-height:2.75rem;padding:.5rem .75rem;font:inherit;color:inherit;background:var(--bg);border:1px solid var(--line);border-radius:.4rem}
[aria-invalid]{border:2px solid var(--bad)!important}
.pick{display:flex;align-items:center;gap:.75rem;min-height:2.75rem;margin:0;padding:.25rem 0;border-bottom:1px solid #8884}
.pick input{width:1.35rem;height:1.35rem;margin:0;flex:none;accent-color:var(--go)}.pick span:first-of-type{flex:1;min-width:0}
.sig{color:var(--dim);font-size:.85rem;text-align:right;white-space:nowrap}.sig b{letter-spacing:.1em;color:var(--go)}.sig i{opacity:.3;font-style:normal}
button{width:100%;min-height:3rem;margin:.5rem 0 .25rem;padding:.5rem 1rem;font:inherit;font-weight:600;border:2px solid var(--go);border-radius:.5rem;background:var(--go);color:var(--on)}
button.calm{background:transparent;color:var(--go)}
:focus-visible{outline:3px solid var(--go);outline-offset:2px}
</style></head><body>
"""

_WAIT = """<main><h1>Trying the settings</h1>
<p role=status>%s</p>
<p>This takes up to two minutes. The page asks for the result by itself, every few seconds.</p>
<p class=note>Meanwhile this phone may lose the network <b>%s</b>: the node has one radio for both. If so, join it again. If the \
page then shows an error, open <b>http://%s/</b></p>
"""


def escape(text):
    """Return text for between tags and for attributes in double quotes."""
    return (
        text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&quot;")
        .replace("'", "&#39;")
    )


def name(ssid):
    """Return (a network's name as text, can it be used). ssid: bytes, which may be anything."""
    try:
        text = ssid.decode()
        if not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in text):
            return text, True
    except UnicodeError:
        pass
    return "".join([chr(b) if 0x20 <= b < 0x7F else "\\x%02x" % b for b in ssid]), False


def _signal(rssi):
    """Return bars of 4, and a word for them."""
    for bars, least, word in ((4, _STRONG, "strong"), (3, _GOOD, "good"), (2, _WEAK, "weak")):
        if rssi >= least:
            return bars, word
    return 1, "very weak"


def _head(title, refresh=""):
    yield _HEAD % (refresh, escape(title))
    yield _STYLE


def _list(lines):
    if lines:
        yield "<ul>"
        for line in lines:
            yield "<li>%s</li>" % escape(line)
        yield "</ul>"


def waiting(portal, done, here):
    """The page while the settings are tried: what has worked so far. The phone asks again by itself."""
    yield from _head("Trying the settings", '<meta http-equiv=refresh content="3;url=/">')
    last = done[-1] if done else "looking for the network"
    yield _WAIT % (escape("So far: %s." % last), escape(portal.ssid), here)
    yield "</main></body></html>"


def saved(portal):
    """The last page."""
    yield from _head("Saved")
    yield "<main><h1>Saved</h1><p role=status>The node starts again with these settings, and this network goes away. \
Join this phone to your own network again.</p>"
    yield from _list(portal.worked)
    if portal.missed:
        yield "<p>It works, but:</p>"
        yield from _list(portal.missed)
    yield "<h2>What comes next</h2>"
    yield from _next([entry["name"] for entry in portal.draft.get("sensors") or ()])
    yield "</main></body></html>"


def _next(names):
    if names:
        yield "<p>Within a minute your broker has the first readings of:</p>"
        yield from _list(names)
    else:
        yield "<p>The node has no sensors yet: it publishes only its own state. Wire one, plug the node into a computer, and \
<b>make scan</b> finds it. Put the line that it prints into config.json; <b>make deploy</b> brings it to the node.</p>"


def form(portal):
    """The form, with what was entered, and what was wrong with it."""
    bad = portal.fault or portal.faults or portal.others
    yield from _head("%sSet up %s" % ("That did not work: " if bad else "", portal.ssid))
    yield "<main><h1>Set up this node</h1><p class=dim>%s, board: %s</p>" % (
        escape(portal.ssid),
        escape(portal.board.model),
    )
    if bad:
        yield from _alert(portal)
    elif portal.notes:
        yield "<div class=note><p>config.json on the node cannot be used:</p>"
        yield from _list(portal.notes)
        if portal.left_out:
            yield (
                "<p>What is saved here leaves out <b>%s</b>. The old file is kept as config.json.old.</p>"
                % escape(", ".join(portal.left_out))
            )
        yield "</div>"
    yield '<form method=post action="/" accept-charset=utf-8 autocomplete=off>'
    yield "<input type=hidden name=token value=%s>" % portal.token
    yield from _wifi(portal)
    yield from _broker(portal)
    if portal.places:
        yield from _sensors(portal)
    yield "<fieldset><legend>This node</legend>"
    yield from _field(portal, "name", "Name", 'placeholder="%s"' % escape(portal.board.name))
    yield (
        "</fieldset><button name=do value=test>Test and save</button>\
<button name=do value=save class=calm>Save without testing</button></form>\
<form method=post action=/search id=search><input type=hidden name=token value=%s></form></main></body></html>"
        % portal.token
    )


def _alert(portal):
    yield "<div class='note bad' role=alert><h2>That did not work</h2>"
    if portal.fault:
        yield "<p>%s.</p>" % escape(portal.fault)
        yield from _list(portal.worked)
    else:
        yield "<p>Nothing was saved. Correct what is marked below.</p>"
    yield from _list(portal.others)
    yield "</div>"


def _field(portal, field, label, more="", secret=False):
    """A label, its input, and what is wrong with it. Never the value of a secret."""
    fault = portal.faults.get(field)
    value = portal.fields[field]
    if secret and value:
        value, more = "", more + ' placeholder="unchanged"'
    yield (
        '<label for=%s>%s</label><input id=%s name=%s type=%s value="%s" autocapitalize=none autocorrect=off spellcheck=false %s%s>'
        % (
            field,
            label,
            field,
            field,
            "password" if secret else "text",
            escape(value or ""),
            more,
            " aria-invalid=true aria-describedby=%s-fault" % field if fault else "",
        )
    )
    if fault:
        yield "<span class=err id=%s-fault>%s</span>" % (field, escape(fault))


def _network(found, chosen):
    ssid, rssi, unprotected = found
    text, usable = name(ssid)
    state = " disabled" if not usable else " checked" if text == chosen else ""
    bars, word = _signal(rssi)
    yield (
        '<label class=pick><input type=radio name=ssid value="%s"%s><span><bdi>%s</bdi>%s</span>'
        "<span class=sig><b aria-hidden=true>%s<i>%s</i></b><br>%s%s, %d dBm</span></label>"
        % (
            escape(text),
            state,
            escape(text),
            "" if usable else "<br><span class=dim>a name that cannot be used</span>",
            _BARS[:bars],
            _BARS[bars:],
            "open, " if unprotected else "",
            word,
            rssi,
        )
    )


def _wifi(portal):
    yield "<fieldset><legend>Wi-Fi</legend><fieldset><legend class=dim>Networks this node hears (2.4 GHz)</legend>"
    for found in portal.heard:
        yield from _network(found, portal.fields["ssid"])
    yield (
        "<label class=pick><input type=radio name=ssid value=''%s><span>Another: hidden, or not in reach</span></label></fieldset><button class=calm form=search>Search again</button>"
        % ("" if portal.fields["ssid"] and not portal.fields["other"] else " checked")
    )
    yield from _field(portal, "other", "Name of that other network", "maxlength=32")
    yield from _field(portal, "key", "Password of the network", "maxlength=64", True)
    yield "</fieldset>"


def _sensors(portal):
    """The sensors that answer, for a node that has none; its owner knows which of several types each is."""
    yield "<fieldset><legend>Sensors</legend>"
    if portal.offered:
        yield "<p class=dim>Something answers on %s. Tick what you have wired.</p>" % portal.places
    else:
        yield (
            "<p class=dim>Nothing answers on %s. Wire a sensor there and press Search again, or add one later.</p>"
            % portal.places
        )
    for entry in portal.offered:
        yield (
            "<label class=pick><input type=checkbox name=%s value=1%s><span>%s</span><span class=sig>address<br>%s</span></label>"
            % (
                box(entry),
                " checked" if entry in portal.draft.get("sensors", ()) else "",
                entry["type"],
                entry["address"],
            )
        )
    yield "</fieldset>"


def _broker(portal):
    yield "<fieldset><legend>MQTT broker</legend>"
    yield from _field(
        portal, "host", "Name or address", 'maxlength=253 inputmode=url placeholder="192.168.1.2"'
    )
    port = 'maxlength=5 inputmode=numeric placeholder="1883, with TLS 8883"'
    yield from _field(portal, "port", "Port", port)
    yield from _field(portal, "user", "User", 'maxlength=128 placeholder="none"')
    yield from _field(portal, "password", "Password of that user", "maxlength=256", True)
    if portal.tls:
        yield (
            "<label class=pick><input type=checkbox name=tls value=1%s><span>Encrypted (TLS), checked with the certificate on the node</span></label>"
            % (" checked" if portal.fields["tls"] else "")
        )
        if portal.faults.get("tls"):
            yield "<span class=err>%s</span>" % escape(portal.faults["tls"])
    yield "</fieldset>"
