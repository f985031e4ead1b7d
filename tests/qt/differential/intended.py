# intended: where our traces differ from Qt's on purpose, by the names that docs/qt.md has for it.
#
# SPDX-License-Identifier: Apache-2.0

# Of a connection that the peer has ended.
ENDED = [
    ("alert-sent-is-sent", "+k.alertSent 0 0"),
    ("alert-sent-is-sent", "-k.alertSent 0 0"),
]
# The first flight decides all; "started" comes last with Qt.
AT_ONCE = [
    ("started-first", "+S.startedEncryptionHandshake mode=2 encrypted=0"),
    ("started-first", "-S.startedEncryptionHandshake mode=2 encrypted=0"),
]
TOLD = [("told-plaintext", "+S.errorOccurred 13 state=3 encrypted=0 address=1 port=1 sentence=1")]


def refused(alert):
    return [("alert-on-refusal", f"+S.alertSent 1 {alert}"), ("alert-on-refusal", '-S.alertSent 0 0 "close notify"')]


def stalled(count):
    """After its first 30 clients, which have all ended, Qt's accepts nobody any more."""
    if count == 30:
        return [("places-come-back", "-served False"), ("places-come-back", "+served True")]
    return [("places-come-back", line)
            for line in ("-accepted 30", "-ended 30", "-served False",
                         f"+accepted {count}", f"+ended {count}", "+served True")]


# Scenario's title, or its number for all that aren't listed themselves, with "/1.2", "/1.3" or "/1.3/openssl" where it
# matters -> what `diff` would print, each line with the name of its difference.
INTENDED = {
    "1": ENDED,
    "2": refused('48 "unknown CA"'),
    "2 no client certificate/1.2": refused('40 "handshake failure"'),
    "2 no client certificate/1.3": refused('116 "certificate required"'),
    "2 a list of other errors ignores no missing certificate/1.2": refused('40 "handshake failure"'),
    "2 a list of other errors ignores no missing certificate/1.3": refused('116 "certificate required"'),
    "2b/1.3": [
        ("alert-names", '-S.alertSent 1 116 "unknown"'),
        ("alert-names", '+S.alertSent 1 116 "certificate required"'),
    ],
    "2c": [
        ("alert-sent-is-sent", '-S.alertSent 0 0 "close notify"'),
        ("abort-address", "-S.errorOccurred 13 state=0 encrypted=0 address=0 port=0 sentence=1"),
        ("abort-address", "+S.errorOccurred 13 state=0 encrypted=0 address=1 port=1 sentence=1"),
    ],
    # Qt's server forgets it until its timeout.
    "2c abort in sslErrors of query": [
        ("alert-sent-is-sent", '-S.alertSent 0 0 "close notify"'),
        ("one-end", "-S.errorOccurred 5 state=0 encrypted=0 address=0 port=0 sentence=0"),
        ("one-end", "+S.errorOccurred 13 state=0 encrypted=0 address=1 port=1 sentence=1"),
    ],
    # Qt's client has connected by then, as it doesn't look at the name before its own verification has ended.
    "3 client rejects the server/1.2/qt": ENDED,
    "4 psk right/1.2": ENDED,
    "4 psk right/1.3/openssl": [
        ("started-first", "+S.startedEncryptionHandshake mode=2 encrypted=0"),
        ("psk-tls13", '-S.alertSent 1 80 "internal error"'),
        ("psk-tls13", "-S.errorOccurred 13 state=3 encrypted=0 address=1 port=1 sentence=1"),
        ("psk-tls13", "+S.pendingConnectionAvailable pending=1"),
        ("psk-tls13", "+taken pending=0 encrypted=1 state=3 server-is-parent=1"),
        ("psk-tls13", "+k.encrypted encrypted=1 mode=2 cipher=1 errors= peer=0"),
        ("psk-tls13", "+k.protocol 12"),
        ("psk-tls13", "+k.line ping"),
        ("psk-tls13", "+k.alertReceived 0 0"),
        ("psk-tls13", "+k.errorOccurred 1 state=3"),
        ("psk-tls13", "+k.stateChanged 6"),
        ("psk-tls13", "+k.alertSent 0 0"),
        ("psk-tls13", "-k.aboutToClose"),
        ("started-first", "-S.startedEncryptionHandshake mode=2 encrypted=0"),
    ],
    "4 psk right/1.3/qt": AT_ONCE,  # Qt's client doesn't offer its key in TLS 1.3
    "4 psk ignored/1.2": [
        ("psk-unknown-as-wrong", '-S.alertSent 1 115 "unknown PSK identity"'),
        ("psk-unknown-as-wrong", '+S.alertSent 1 20 "bad record mac"'),
    ],
    "4 psk ignored/1.3/openssl": [
        AT_ONCE[0],
        ("psk-unknown-as-wrong", '-S.alertSent 1 40 "handshake failure"'),
        ("psk-unknown-as-wrong", '+S.alertSent 1 47 "illegal parameter"'),
        AT_ONCE[1],
    ],
    "4 psk ignored/1.3/qt": AT_ONCE,
    "4 psk wrong/1.3": AT_ONCE,
    "5 continued, not ignored": refused('48 "unknown CA"'),
    "5 continued and ignored": ENDED,
    "9 peer ends TCP without close_notify": ENDED,
    "no certificate/1.2/openssl": AT_ONCE,
    "no certificate/1.3": AT_ONCE,
    "no common version": AT_ONCE,
    "alpn": ENDED,
    "alpn without overlap": [
        ("alpn-overlap", '-S.alertReceived 1 50 "decode error"'),
        ("alpn-overlap", '+S.alertSent 1 120 "no application protocol"'),
    ],
    "6 plaintext": TOLD,
    "6 plain http": TOLD,
    "7 silent": [
        ("timeout-address", "-S.errorOccurred 5 state=0 encrypted=0 address=0 port=0 sentence=0"),
        ("timeout-address", "+S.errorOccurred 5 state=0 encrypted=0 address=1 port=1 sentence=1"),
    ],
    "7 silent after 0x16": [
        ("first-record", "-k.modeChanged 2"),
        ("first-record", "-S.startedEncryptionHandshake mode=2 encrypted=0"),
        ("first-record", "-k.disconnected encrypted=0 mode=2 port=1"),
        ("timeout-address", "-S.errorOccurred 5 state=0 encrypted=0 address=0 port=0 sentence=0"),
        ("first-record", "+k.disconnected encrypted=0 mode=0 port=1"),
        ("timeout-address", "+S.errorOccurred 5 state=0 encrypted=0 address=1 port=1 sentence=1"),
    ],
    "garbage after the first byte": [
        ("first-record", "-k.modeChanged 2"),
        ("first-record", "+k.stateChanged 6"),
        ("first-record", "-k.disconnected encrypted=0 mode=2 port=1"),
        ("first-record", "-k.aboutToClose"),
        ("first-record", "-S.startedEncryptionHandshake mode=2 encrypted=0"),
        ("first-record", "+k.disconnected encrypted=0 mode=0 port=1"),
    ],
    **{f"{count} clients that {title}": stalled(count)
       for count in (30, 90, 900) for title in ("connect and close", "send garbage", "send plain text")},
}


def differences_of(title, version, client):
    for name in (title, title.split()[0]):
        for key in (f"{name}/{version}/{client}", f"{name}/{version}", name):
            if key in INTENDED:
                return INTENDED[key]
    return []
