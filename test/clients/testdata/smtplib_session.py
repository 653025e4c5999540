"""Sessions with Python's smtplib: CA SMTP SUBMISSION SUBMISSIONS PASSWORD ANNA BJORN CECILIA."""

import smtplib
import ssl
import sys

ca, smtp, submission, submissions, password, anna, bjorn, cecilia = sys.argv[1:]
tls = ssl.create_default_context(cafile=ca)


def letter(subject, body="Hello.\r\n"):
    return f"From: {anna}\r\nTo: {bjorn}\r\nSubject: {subject}\r\n\r\n{body}"


with smtplib.SMTP("localhost", int(submission), "client.test") as s:
    s.ehlo()
    assert not s.has_extn("auth"), s.esmtp_features
    s.starttls(context=tls)
    s.ehlo()
    assert s.has_extn("auth") and s.has_extn("dsn") and s.has_extn("smtputf8") and s.has_extn("size"), s.esmtp_features
    try:
        s.login(anna, "wrong password")
        raise AssertionError("a wrong password was taken")
    except smtplib.SMTPAuthenticationError as error:
        assert error.smtp_code == 535 and b"/why/auth.password-wrong" in error.smtp_error, error
    s.login(anna, password)
    assert s.sendmail(anna, bjorn, letter("starttls")) == {}
print("passed: STARTTLS, a wrong password, LOGIN, sendmail")

with smtplib.SMTP_SSL("localhost", int(submissions), "client.test", context=tls) as s:
    s.login(anna, password)
    # RFC 3461: a report is wanted for one recipient, none for the others.
    s.ehlo_or_helo_if_needed()
    assert s.mail(anna, ["ENVID=order-7", "RET=HDRS"])[0] == 250
    assert s.rcpt(bjorn, ["NOTIFY=SUCCESS,FAILURE", f"ORCPT=rfc822;{bjorn}"])[0] == 250
    for who in (anna, cecilia):
        assert s.rcpt(who, ["NOTIFY=NEVER"])[0] == 250
    code, text = s.data(letter("many", "Hello all.\r\n.dot\r\n"))
    assert code == 250, (code, text)
print("passed: implicit TLS, several recipients, DSN parameters")

with smtplib.SMTP("localhost", int(smtp), "client.test") as s:
    refused = s.sendmail("friend@sender.test", [anna, "nobody@demo.test", cecilia], letter("some"))
    assert list(refused) == ["nobody@demo.test"], refused
    code, text = refused["nobody@demo.test"]
    assert code == 550 and text.startswith(b"5.1.1") and b"/why/recipient.unknown" in text, (code, text)
    try:
        s.sendmail("friend@sender.test", ["somebody@elsewhere.test"], letter("relay"))
        raise AssertionError("mail for elsewhere was taken")
    except smtplib.SMTPRecipientsRefused as error:
        code, text = error.recipients["somebody@elsewhere.test"]
        assert code // 100 == 5 and b"/why/" in text, (code, text)
    many = [anna, bjorn, cecilia] * 300
    assert s.sendmail("friend@sender.test", many, letter("crowd")) == {}
    print("passed: some recipients refused with cause, relay refused, 900 RCPT in a transaction")
    assert s.sendmail("friend@sender.test", [bjorn], letter("eight bits", "räksmörgås\r\n").encode(), ["BODY=8BITMIME"]) == {}
    s.sendmail("räv@sender.test", [bjorn], letter("räv").encode(), ["SMTPUTF8", "BODY=8BITMIME"])
    assert s.verify(anna)[0] in (250, 252), s.verify(anna)
    code, text = s.mail("friend@sender.test", ["SIZE=99999999999"])
    assert code == 552 and b"/why/" in text, (code, text)
    assert s.noop()[0] == 250
print("passed: 8BITMIME, SMTPUTF8, VRFY, SIZE")
print("end")
