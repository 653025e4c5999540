"""Shared mailboxes with Python's imaplib: CA IMAPS-PORT OWNER OTHER PASSWORD."""

import imaplib
import ssl
import sys

ca, imaps, owner, other, password = sys.argv[1:]
tls = ssl.create_default_context(cafile=ca)


def ok(answer):
    kind, data = answer
    assert kind == "OK", answer
    return data


def refused(call, *arguments):
    try:
        kind, data = call(*arguments)
    except imaplib.IMAP4.error as error:
        return str(error)
    assert kind == "NO", (kind, data)
    return str(data)


def sign_in(user):
    m = imaplib.IMAP4_SSL("localhost", int(imaps), ssl_context=tls)
    ok(m.login(user, password))
    return m


mine, theirs = sign_in(owner), sign_in(other)
assert {b"ACL", b"RIGHTS=kxte"} <= set(ok(mine.capability())[0].split())
ok(mine.create("Plans"))
letter = f"From: {owner}\r\nSubject: shared\r\n\r\nFor us both.\r\n".encode()
ok(mine.append("Plans", None, None, letter))
name = '"Other Users/%s/Plans"' % owner.split("@")[0]
assert b'("Other Users/" "/")' in ok(theirs.namespace())[0]
assert "NONEXISTENT" in refused(theirs.select, name)
assert "NONEXISTENT" in refused(theirs.myrights, name)
print("passed: a mailbox that is not shared is not there")

ok(mine.setacl("Plans", other, "lrs"))
data = ok(mine.getacl("Plans"))[0].decode()
assert f"{other} lrs" in data and f"{owner} lrswipkxtea" in data, data
assert ok(theirs.myrights(name))[0].endswith(b" lrs"), ok(theirs.myrights(name))
assert any(b"Plans" in line for line in ok(theirs.list('"Other Users/"', "*")))
assert ok(theirs.select(name)) == [b"1"]
assert ok(theirs.fetch("1", "(BODY[])"))[0][1] == letter
assert b"\\Seen" in ok(theirs.fetch("1", "(FLAGS)"))[0]
assert "NOPERM" in refused(theirs.store, "1", "+FLAGS", "(\\Deleted)")
assert "NOPERM" in refused(theirs.append, name, None, None, letter)
assert "NOPERM" in refused(theirs.getacl, name)
print("passed: SETACL, GETACL, MYRIGHTS; to read and nothing else")

ok(mine.setacl("Plans", other, "+witek"))
ok(theirs.append(name, "(\\Flagged)", None, letter))
ok(theirs.noop())
ok(theirs.store("1", "+FLAGS", "(\\Deleted)"))
assert ok(theirs.expunge()) == [b"1"]
ok(theirs.copy("1", "Archive"))
ok(theirs.create(name[:-1] + '/Below"'))
assert b"1" in ok(mine.select("Plans"))
assert b"\\Flagged" in ok(mine.fetch("1", "(FLAGS)"))[0]
print("passed: APPEND, STORE, EXPUNGE, COPY and CREATE with the rights to")

ok(mine.deleteacl("Plans", other))
assert other not in ok(mine.getacl("Plans"))[0].decode()
assert "NOPERM" in refused(theirs.fetch, "1", "(FLAGS)")
assert "NONEXISTENT" in refused(theirs.status, name, "(MESSAGES)")
print("passed: DELETEACL takes effect at once")

mine.logout()
theirs.logout()
print("end")
