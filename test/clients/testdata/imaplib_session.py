"""A whole session with Python's imaplib: CA IMAPS-PORT IMAP-PORT USER PASSWORD."""

import imaplib
import re
import ssl
import sys
import time

ca, imaps, imap, user, password = sys.argv[1:]
tls = ssl.create_default_context(cafile=ca)


def ok(answer):
    kind, data = answer
    assert kind == "OK", answer
    return data


def letter(subject, body="Hello.\r\n"):
    return (f"From: {user}\r\nTo: {user}\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n"
            f"Message-ID: <{subject.replace(' ', '.')}@test>\r\nSubject: {subject}\r\n\r\n{body}").encode()


def refused(call, *arguments):
    try:
        kind, data = call(*arguments)
    except imaplib.IMAP4.error as error:
        return str(error)
    assert kind == "NO", (kind, data)
    return str(data)


m = imaplib.IMAP4("localhost", int(imap))
assert "LOGINDISABLED" in m.capabilities, m.capabilities
m.starttls(tls)
assert "LOGINDISABLED" not in m.capabilities, m.capabilities
assert "AUTHENTICATIONFAILED" in refused(m.login, user, "wrong password")
ok(m.login(user, password))
ok(m.noop())
assert m.logout()[0] == "BYE"
print("passed: STARTTLS, a wrong password, LOGIN, LOGOUT")

m = imaplib.IMAP4_SSL("localhost", int(imaps), ssl_context=tls)
ok(m.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode()))
print("passed: AUTHENTICATE PLAIN")

texts = {s: letter(s) for s in ("kept", "moved", "copied", "deleted")}
texts["kept"] = letter("kept", "The needle is in here.\r\n" + "x" * 70000 + "\r\n")
for subject, text in texts.items():
    data = ok(m.append("INBOX", r"(\Seen $Work)" if subject == "kept" else None, imaplib.Time2Internaldate(1700000000), text))
    assert b"APPENDUID" in data[0], data
assert ok(m.select("INBOX")) == [b"4"]
for number, text in enumerate(texts.values(), 1):
    data = ok(m.fetch(str(number), "(RFC822.SIZE INTERNALDATE BODY.PEEK[])"))
    assert data[0][1] == text, data
    assert b"RFC822.SIZE %d" % len(text) in data[0][0], data
    assert imaplib.Internaldate2tuple(data[0][0]) == time.localtime(1700000000), data
data = ok(m.fetch("1", "(FLAGS)"))
assert set(imaplib.ParseFlags(data[0])) >= {rb"\Seen", b"$Work"}, data
print("passed: APPEND with flags and date, FETCH byte for byte")

assert ok(m.search(None, "TEXT", "needle")) == [b"1"]
assert ok(m.search(None, "SUBJECT", '"moved"', "UNSEEN")) == [b"2"]
assert ok(m.search(None, "KEYWORD", "$Work")) == [b"1"]
assert ok(m.search("UTF-8", "OR", "SUBJECT", "copied", "LARGER", "60000")) == [b"1 3"]
assert ok(m.uid("SEARCH", "ALL")) == [b"1 2 3 4"]
m.literal = "nål".encode()
assert ok(m.search("UTF-8", "BODY")) == [b""]
print("passed: SEARCH, also by UID and with a literal")

ok(m.store("2", "+FLAGS", r"(\Flagged)"))
ok(m.store("2", "-FLAGS", r"(\Flagged)"))
data = ok(m.store("2", "FLAGS", r"(\Answered Egen)"))
assert set(imaplib.ParseFlags(data[0])) >= {rb"\Answered", b"Egen"}, data
ok(m.copy("3", "Archive"))
data = ok(m.uid("MOVE", "2", "Archive"))
assert ok(m.search(None, "ALL")) == [b"1 2 3"]
ok(m.store("3", "+FLAGS.SILENT", r"(\Deleted)"))
assert ok(m.expunge()) == [b"2", b"3"]  # the first tells of the MOVE
assert ok(m.uid("SEARCH", "ALL")) == [b"1 3"]
print("passed: STORE, COPY, MOVE, EXPUNGE")

name = '"&AMU-r 2026/&ZeVnLIqe-"'
ok(m.create(name))
assert any(b"&AMU-r 2026/&ZeVnLIqe-" in line for line in ok(m.list())), m.list()
ok(m.subscribe(name))
assert any(b"&ZeVnLIqe-" in line for line in ok(m.lsub())), m.lsub()
ok(m.rename(name, '"&AMU-r 2027"'))
assert "ALREADYEXISTS" in refused(m.create, '"&AMU-r 2027"')
ok(m.append('"&AMU-r 2027"', None, None, letter("year")))
assert b"MESSAGES 1" in ok(m.status('"&AMU-r 2027"', "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN)"))[0]
ok(m.delete('"&AMU-r 2027"'))
assert "TRYCREATE" in refused(m.append, '"&AMU-r 2027"', None, None, letter("nowhere"))
assert ok(m.namespace()), "namespace"
print("passed: mailboxes with names beyond ASCII: CREATE, LIST, SUBSCRIBE, RENAME, STATUS, DELETE")

ok(m.close())
ok(m.enable("UTF8=ACCEPT"))
ok(m.create('"Åäö 日本語"'))
assert any("Åäö 日本語".encode() in line for line in ok(m.list())), m.list()
with imaplib.IMAP4_SSL("localhost", int(imaps), ssl_context=tls) as plain:  # imaplib's own APPEND with UTF8 is broken
    ok(plain.login(user, password))
    ok(plain.append('"&AMUA5AD2- &ZeVnLIqe-"', None, None, letter("räksmörgås")))
ok(m.select('"Åäö 日本語"'))
m.literal = "räksmörgås".encode()
assert ok(m.search(None, "SUBJECT")) == [b"1"]
ok(m.close())
ok(m.delete('"Åäö 日本語"'))
print("passed: ENABLE UTF8=ACCEPT: names and messages in UTF-8")

# IDLE: imaplib has it since Python 3.14; before, its lines are written here.
ok(m.select("INBOX"))
other = imaplib.IMAP4_SSL("localhost", int(imaps), ssl_context=tls)
ok(other.login(user, password))
if hasattr(m, "idle"):
    with m.idle(duration=30) as idler:
        ok(other.append("INBOX", None, None, letter("pushed")))
        kind, data = next(idler)
        assert kind in ("EXISTS", "RECENT"), (kind, data)
else:
    m.sock.settimeout(30)
    m.send(b"Z1 IDLE\r\n")
    assert m.readline().startswith(b"+ ")
    ok(other.append("INBOX", None, None, letter("pushed")))
    assert re.match(rb"\* 3 EXISTS", m.readline())
    m.send(b"DONE\r\n")
    while not (line := m.readline()).startswith(b"Z1 "):
        pass
    assert line.startswith(b"Z1 OK"), line
print("passed: IDLE pushes a new message")

ok(m.noop())
ok(m.uid("STORE", "1:*", "+FLAGS.SILENT", r"(\Deleted)"))
ok(m.unselect())
ok(m.select("INBOX", readonly=True))
assert refused(m.store, "1", "+FLAGS", r"(\Seen)")
ok(m.close())
ok(m.select("INBOX"))
ok(m.close())
assert ok(m.select("INBOX")) == [b"0"]
assert m.logout()[0] == "BYE"
assert other.logout()[0] == "BYE"
print("passed: EXAMINE, UNSELECT, CLOSE expunges")
print("end")
