package message

import (
	"testing"
)

const sample = "Received: from mx.example.net (mx.example.net [192.0.2.7]) by mail.example.org with ESMTPS id 4711\r\n" +
	"\tfor <bo@example.org>; Sat, 21 Nov 2026 14:32:06 +0100\r\n" +
	"DKIM-Signature: v=1; a=rsa-sha256; d=example.net; s=x; h=from:to:subject;\r\n\tbh=abc; b=def\r\n" +
	"From: =?utf-8?Q?Anna_Sj=C3=B6berg?= <anna@example.net>\r\nTo: Bo Ek <bo@example.org>, \"Ek, Eva\" <eva@example.org>\r\n" +
	"Subject: =?utf-8?B?TcO2dGU=?= =?utf-8?Q?_p=C3=A5_fredag?=\r\nDate: Sat, 21 Nov 2026 14:32:05 +0100\r\n" +
	"Message-ID: <1234@example.net>\r\nIn-Reply-To: <1@example.org>\r\nReferences: <0@example.org>\r\n <1@example.org>\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/alternative; boundary=\"=_b1\"\r\n\r\n" +
	"--=_b1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
	"Hej!\r\n\r\nVi ses p=C3=A5 fredag.\r\n--=_b1\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Hej!</p>\r\n--=_b1--\r\n"

func TestSample(t *testing.T) {
	s := Summarize([]byte(sample))
	t.Logf("%s\n%s\n%+v\n%d", s.Envelope, s.BodyStructure, s, len(s.AppendBinary(nil)))
	for i, p := range s.Parts {
		t.Logf("%d %+v %q", i, p, sample[p.BodyStart:p.End])
	}
}
