package sieve

import "time"

const letter = `Received: from a.example by b.example; Sun, 01 Mar 2026 06:00:00 +0000
Received: from c.example by a.example; Sat, 28 Feb 2026 23:59:59 -0500
From: "Acme, Inc." <Coyote@Desert.example.org>
To: roadrunner@acme.example.com, Me <me+box@example.org>
Cc: other@example.net
Subject: [acme-users] [fwd] version 1.0 is out
Date: Sun, 01 Mar 2026 00:30:00 -0500
Message-ID: <1@example.org>
X-Priority: 2
List-Id: Acme <users.acme.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

preamble
--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Buy MAKE MONEY FAST, r=C3=A4ksm=C3=B6rg=C3=A5s
--b
Content-Type: text/html

<p>Hello <b>wor</b>ld</p><script>hidden</script>
--b--
`

const nested = `From: Whomever <a@b.test>
Subject: whatever
Content-Type: multipart/mixed; boundary=outer

This is a multi-part message in MIME format.

--outer
Content-Type: multipart/alternative; boundary=inner

This is a nested multi-part message in MIME format.

--inner
Content-Type: text/plain; charset="us-ascii"

Hello

--inner
Content-Type: text/html; charset="us-ascii"

<html><body>Hello</body></html>

--inner--

This is the end of the inner MIME multipart.

--outer
Content-Type: message/rfc822

From: Someone Else <c@b.test>
Subject: hello request

Please say Hello

--outer--

This is the end of the outer MIME multipart.
`

var examples = []struct {
	name, script, want string
	message            string
	env                func(*testEnv)
	scripts            map[string]string
}{
	// RFC 5228: the language.
	{name: "empty", script: ``, want: "implicit"},
	{name: "comments", script: "# one\n/* two\n * lines */ keep; # three", want: "keep"},
	{name: "discard", script: `discard;`, want: "discard"},
	{name: "stop", script: `fileinto "Work"; stop; discard;`, want: "into Work"},
	{name: "keep and file", script: `fileinto "Work"; keep;`, want: "into Work; keep"},
	{name: "redirect", script: `redirect "bart@example.com";`, want: "to bart@example.com"},
	{name: "redirect twice to one", script: `redirect "bart@example.com"; redirect "Bart@example.com";`, want: "to bart@example.com"},
	{name: "copy (RFC 3894)", script: `redirect :copy "a@example.com"; fileinto :copy "Work";`, want: "to a@example.com; into Work; implicit"},
	{name: "else", script: `if header "subject" "no" { discard; } elsif false { stop; } else { keep; }`, want: "keep"},
	{name: "elsif", script: `if false { discard; } elsif true { fileinto "Work"; } else { keep; }`, want: "into Work"},
	{name: "is, any case", script: `if header :is "SUBJECT" "[ACME-users] [fwd] version 1.0 is out" { discard; }`, want: "discard"},
	{name: "is, octets", script: `if header :comparator "i;octet" "subject" "[ACME-users] [fwd] version 1.0 is out" { discard; }`, want: "implicit"},
	{name: "contains", script: `if header :contains ["from", "subject"] ["nothing", "ACME"] { discard; }`, want: "discard"},
	{name: "contains nothing of no header", script: `if header :contains "x-caffeine" "" { discard; }`, want: "implicit"},
	{name: "contains nothing", script: `if header :contains "subject" "" { discard; }`, want: "discard"},
	{name: "matches", script: `if header :matches "subject" "*VERSION ?.? *" { discard; }`, want: "discard"},
	{name: "matches whole", script: `if header :matches "subject" "version*" { discard; }`, want: "implicit"},
	{name: "matches escaped", script: `if header :matches "x-priority" "\\2" { discard; }`, want: "discard"},
	{name: "address all", script: `if address :is :all "from" "coyote@desert.example.org" { discard; }`, want: "discard"},
	{name: "address domain", script: `if address :domain :is ["from", "to"] "acme.example.com" { discard; }`, want: "discard"},
	{name: "address localpart", script: `if address :localpart "to" "me+box" { discard; }`, want: "discard"},
	{name: "address is no display name", script: `if address :contains "from" "acme" { discard; }`, want: "implicit"},
	{name: "envelope", script: `if envelope :all :is "from" "tim@example.com" { discard; }`, want: "discard"},
	{name: "null sender", script: `if envelope "from" "" { discard; }`, want: "discard", env: func(e *testEnv) { e.from = "" }},
	{name: "exists", script: `if not exists ["From", "Date"] { discard; }`, want: "implicit"},
	{name: "exists not all", script: `if exists ["From", "X-None"] { discard; }`, want: "implicit"},
	{name: "size", script: `if size :over 1M { discard; } elsif size :under 1K { keep; }`, want: "keep"},
	{name: "allof", script: `if allof (true, header :contains "from" "acme", not false) { discard; }`, want: "discard"},
	{name: "anyof", script: `if anyof (false, not exists "x-none") { discard; }`, want: "discard"},
	{name: "multi-line", script: "reject text: # as it is\r\nOne\r\n..two\r\n.\r\n;", want: "reject One\r\n.two\r\n"},
	{name: "encoded hex", script: `if header :contains "subject" "${hex: 61 43}${HEX:4d 45}" { discard; }`, want: "discard"},
	{name: "encoded unicode", script: `fileinto "R${unicode:e4}ksm${unicode: F6}rg";`, want: "into Räksmörg"},
	{name: "encoded wrong is text", script: `fileinto "${hex:4}${unicode:}";`, want: "into ${hex:4}${unicode:}"},
	{name: "error keeps", script: `fileinto "Work"; reject "no";`, want: "implicit; error reject-alone"},

	// RFC 5429.
	{name: "reject", script: `reject "I am gone";`, want: "reject I am gone"},
	{name: "ereject", script: `ereject "No";`, want: "reject No"},
	{name: "reject and keep", script: `reject "No"; keep;`, want: "implicit; error reject-alone"},
	{name: "reject and discard", script: `discard; reject "No";`, want: "discard; reject No"},

	// RFC 5231 and RFC 4790.
	{name: "value numeric", script: `if header :value "lt" :comparator "i;ascii-numeric" ["x-priority"] ["3"] { discard; }`, want: "discard"},
	{name: "count", script: `if address :count "gt" ["to", "cc"] ["2"] { discard; }`, want: "discard"},
	{name: "count eq", script: `if header :count "eq" :comparator "i;ascii-numeric" ["received"] ["2"] { discard; }`, want: "discard"},
	{name: "value text", script: `if header :value "ge" "x-priority" "1" { discard; }`, want: "discard"},
	{name: "number is", script: `if header :is :comparator "i;ascii-numeric" "x-priority" "02 or so" { discard; }`, want: "discard"},

	// The draft of regex.
	{name: "regex", script: `if header :regex "subject" "version [0-9]+\\.[0-9]+" { discard; }`, want: "discard"},
	{name: "regex groups", script: `if header :regex "subject" "\\[([a-z-]+)\\] .*(out|in)$" { fileinto "${1}-${2}"; }`, want: "into acme-users-out"},
	{name: "regex of a variable", script: `set "v" "ver(.*)n"; if header :regex "subject" "${v} 1" { fileinto "${1}"; }`, want: "into sio"},
	{name: "regex of a variable that is none", script: `set "v" "("; if header :regex "subject" "${v}" { discard; }`, want: "implicit; error regex-wrong"},

	// RFC 5229.
	{name: "set", script: `set "honorific" "Mr"; set "vacation" "Dear ${HONORIFIC} ${last}"; fileinto "${vacation}";`, want: "into Dear Mr "},
	{name: "set modifiers", script: `set "a" "juMBlEd lETteRS"; set :length "b" "${a}"; set :lower "c" "${a}"; set :upperfirst "d" "${a}"; set :upperfirst :lower "e" "${a}"; fileinto "${b} ${c} ${d} ${e}";`, want: "into 15 jumbled letters JuMBlEd lETteRS Jumbled letters"},
	{name: "set modifiers change ASCII alone", script: `set :upper "a" "åäa"; set :upperfirst "b" "ås"; set :lowerfirst "c" "Abc"; set :upper "d" ""; fileinto "${a} ${b} ${c}${d}";`, want: "into åäA ås abc"},
	{name: "references in references", script: `set "Company" "ACME"; fileinto "&%${}! ${doh!} ${full}${company} ${BAD${Company} ${President, ${Company} Inc.}";`, want: "into &%${}! ${doh!} ACME ${BADACME ${President, ACME Inc.}"},
	{name: "quoting comes first", script: `set "foo" "x"; fileinto "${fo\o}|${fo\\o}|\${foo}|\\${foo}";`, want: `into x|${fo\o}|x|\x`},
	{name: "encoded before variables", script: `set "name" "Ethelbert"; fileinto "dear${hex:20 24 7b 4e}ame}";`, want: "into dear Ethelbert"},
	{name: "two wildcards", script: `if address :matches ["To", "Cc"] ["coyote@**.com", "road*@**.com"] { fileinto "${1}|${2}|${3}|${0}"; }`, want: "into runner||acme.example|roadrunner@acme.example.com"},
	{name: "not evaluated, not set", script: `if anyof (true, header :matches "subject" "*") { fileinto "x${1}"; }`, want: "into x"},
	{name: "set quotewildcard", script: `set :quotewildcard "a" "Rock*"; fileinto "${a}";`, want: `into Rock\*`},
	{name: "match variables", script: `if header :matches "subject" "[*] [fwd] *" { fileinto "${1}|${2}|${0}"; }`, want: "into acme-users|version 1.0 is out|[acme-users] [fwd] version 1.0 is out"},
	{name: "match variables shortest", script: `if header :matches "subject" "*[*" { fileinto "${1}|${2}"; }`, want: "into |acme-users] [fwd] version 1.0 is out"},
	{name: "match variables question marks", script: `if header :matches "subject" "[??me*s]*" { fileinto "${1}${2}${3}"; }`, want: "into ac-user"},
	{name: "match variables stay", script: `if header :matches "x-priority" "*" { set "a" "${1}"; } if header :matches "subject" "no" { stop; } fileinto "${1}${a}";`, want: "into 22"},
	{name: "string", script: `set "s" "x"; if string :is ["${s}"] "x" { discard; }`, want: "discard"},
	{name: "string count", script: `if string :count "eq" ["${a}", "b"] "1" { discard; }`, want: "discard"},
	{name: "not a reference", script: `set "a" "1"; fileinto "${}$${a}${a b}${a";`, want: "into ${}$1${a b}${a"},
	{name: "mixed", script: `set "a" "${unicode:41}"; fileinto "${a}";`, want: "into A"},

	// RFC 5232.
	{name: "setflag", script: `setflag "\\Deleted"; fileinto "Work"; addflag ["\\Seen", "MyFlag \\deleted"]; removeflag "\\Deleted"; keep;`, want: `into Work (\Deleted); keep (\Seen MyFlag)`},
	{name: "implicit keep has flags", script: `addflag "$Label1";`, want: "implicit ($Label1)"},
	{name: "flags tag", script: `setflag "a"; fileinto :flags "b c" "Work"; keep :flags [];`, want: "into Work (b c); keep"},
	{name: "flag variable", script: `setflag "mine" ["\\Answered b"]; addflag "mine" "c"; if hasflag "mine" "C" { fileinto :flags "${mine}" "Work"; }`, want: `into Work (\Answered b c)`},
	{name: "hasflag", script: `setflag "\\Seen \\Draft"; if hasflag :contains "dra" { discard; }`, want: "discard"},
	{name: "hasflag count", script: `setflag "a b"; if hasflag :count "ge" :comparator "i;ascii-numeric" "2" { discard; }`, want: "discard"},
	{name: "wrong flags are left out", script: `setflag ["\\Recent", "ä", "ok", "(x)"]; keep;`, want: "keep (ok)"},

	// RFC 5260.
	{name: "date hour", script: `if allof (date :value "ge" :zone "-0500" "date" "hour" "00", date :value "lt" :zone "-0500" "date" "hour" "01") { discard; }`, want: "discard"},
	{name: "date original zone", script: `if date :originalzone "date" "zone" "-0500" { discard; }`, want: "discard"},
	{name: "date own zone", script: `if date "date" "time" "06:30:00" { discard; }`, want: "discard"},
	{name: "date parts", script: `if allof (date "date" "year" "2026", date "date" "month" "03", date "date" "day" "01", date "date" "date" "2026-03-01", date "date" "julian" "61100", date "date" "minute" "30", date "date" "second" "00", date :originalzone "date" "iso8601" "2026-03-01T00:30:00-05:00", date :originalzone "date" "std11" "Sun, 1 Mar 2026 00:30:00 -0500", date "date" "weekday" "0") { discard; }`, want: "discard"},
	{name: "date of received", script: `if date :index 2 :originalzone "received" "date" "2026-02-28" { discard; }`, want: "discard"},
	{name: "date of received from the end", script: `if date :last :index 1 :zone "+0000" "received" "day" "01" { discard; }`, want: "discard"},
	{name: "currentdate", script: `if allof (currentdate :is "weekday" "0", currentdate :value "ge" "hour" "08", currentdate :value "lt" "hour" "17", currentdate :zone "+0000" "hour" "07", currentdate "zone" "+0100") { discard; }`, want: "discard"},
	{name: "no date", script: `if date :contains "x-none" "year" "" { discard; }`, want: "implicit"},
	{name: "index", script: `if header :index 2 :contains "received" "c.example" { discard; }`, want: "discard"},
	{name: "index through names", script: `if allof (header :index 3 :contains ["x-priority", "received"] "c.example", not header :index 1 :contains ["x-priority", "received"] "example", address :index 2 :contains ["from", "to"] "roadrunner") { discard; }`, want: "discard"},
	{name: "date is the first or none", message: "Date: never\nDate: Sun, 01 Mar 2026 00:30:00 -0500\n\n", script: `if date :count "eq" "date" "year" "0" { discard; }`, want: "discard"},
	{name: "iso8601 of UTC", script: `if date :zone "+0000" "date" "iso8601" "2026-03-01T05:30:00Z" { discard; }`, want: "discard"},
	{name: "index beyond", script: `if header :index 3 :contains "received" "" { discard; }`, want: "implicit"},
	{name: "address index", script: `if address :index 1 :contains "to" "example" { discard; }`, want: "discard"},

	// RFC 5490 and RFC 8579.
	{name: "create", script: `if not mailboxexists ["Work", "New"] { fileinto :create "New"; }`, want: "into New create"},
	{name: "special use", script: `if specialuse_exists "\\Junk" { fileinto :specialuse "\\Junk" "Spam"; }`, want: `into Spam use \Junk`},
	{name: "special use of a mailbox", script: `if specialuse_exists "Work" ["\\Junk"] { discard; }`, want: "implicit"},

	// RFC 7352.
	{name: "duplicate", script: `if duplicate { discard; }`, want: "discard", env: func(e *testEnv) { e.seen = map[string]bool{"/<1@example.org>": true} }},
	{name: "not a duplicate", script: `if duplicate :handle "h" { discard; }`, want: "implicit", env: func(e *testEnv) { e.seen = map[string]bool{"/<1@example.org>": true} }},
	{name: "duplicate by header", script: `if duplicate :header "X-Priority" :handle "p" { discard; }`, want: "discard", env: func(e *testEnv) { e.seen = map[string]bool{"p/2": true} }},
	{name: "duplicate by value", script: `if header :matches "subject" "*version *is out" { if duplicate :seconds 1800 :uniqueid "${2}" { discard; } }`, want: "discard", env: func(e *testEnv) { e.seen = map[string]bool{"/1.0 ": true} }},
	{name: "duplicate for no time", script: `if duplicate :seconds 0 { discard; }`, want: "implicit", env: func(e *testEnv) { e.seen = map[string]bool{"/<1@example.org>": true} }},
	{name: "duplicate without identifier", script: `if duplicate :header "X-None" { discard; }`, want: "implicit"},

	// RFC 5233.
	{name: "detail", script: `if envelope :detail "to" "box" { discard; }`, want: "discard"},
	{name: "user", script: `if address :user "to" "me" { discard; }`, want: "discard"},
	{name: "no detail", script: `if address :detail "from" "" { discard; }`, want: "implicit"},
	{name: "empty detail", script: `if envelope :detail "to" "" { discard; }`, want: "discard", env: func(e *testEnv) { e.to = "me+@example.org" }},

	// RFC 5173.
	{name: "body text", script: `if body :contains "make money fast" { discard; }`, want: "discard"},
	{name: "body text decoded", script: `if body :text :contains "räksmörgås" { discard; }`, want: "discard"},
	{name: "body text of HTML", script: `if body :contains "hello world" { discard; }`, want: "discard"},
	{name: "body text without scripts", script: `if body :contains "hidden" { discard; }`, want: "implicit"},
	{name: "body raw", script: `if body :raw :contains "sm=C3=B6rg" { discard; }`, want: "discard"},
	{name: "body content", script: `if body :content "text/html" :contains "<b>wor" { discard; }`, want: "discard"},
	{name: "body content of another type", script: `if body :content ["image", "text/plain"] :contains "<b>wor" { discard; }`, want: "implicit"},
	{name: "body content of nested parts", message: nested, want: "into multipart", script: `if allof (body :content "multipart" :contains "MIME", body :content "multipart" :matches "*This is the end of the inner*", not body :content "multipart" :contains "Hello", not body :content "multipart" :contains "inner--") { fileinto "multipart"; }`},
	{name: "body content counted", message: nested, want: "discard", script: `if allof (body :content "text/plain" :contains "hello", body :content "text/plain" :count "eq" "2", body :content "text/html" :contains "<body>hello", body :content "text" :count "eq" "3", body :content "message/rfc822" :contains "hello request", body :content "message/rfc822" :count "eq" "1", not body :content "message/rfc822" :contains "please", not body :content ["text/", "/plain", "a/b/c"] :contains "") { discard; }`},
	{name: "body sets no variables", script: `if body :matches "*MONEY*" { fileinto "x${1}"; }`, want: "into x"},

	// RFC 6609.
	{name: "include", script: `include "a"; fileinto "Work";`, want: "into A; into Work", scripts: map[string]string{"a": `fileinto "A"; return; discard;`}},
	{name: "include of the service", script: `include :global :optional "a"; include :global "a";`, want: "implicit; error include-missing", scripts: map[string]string{"a": `fileinto "A";`}},
	{name: "include stops", script: `include :personal "a"; fileinto "Work";`, want: "into A", scripts: map[string]string{"a": `fileinto "A"; stop;`}},
	{name: "include once", script: `include :once "a"; include :once "a";`, want: "into A", scripts: map[string]string{"a": `fileinto "A";`}},
	{name: "include missing", script: `include "b";`, want: "implicit; error include-missing"},
	{name: "include optional", script: `include :optional "b"; discard;`, want: "discard"},
	{name: "include circle", script: `include "a";`, want: "implicit; error include-circle", scripts: map[string]string{"a": `include "b";`, "b": `include "a";`}},
	{name: "global", script: `global "test"; set "own" "x"; include "a"; fileinto "${test}${global.other}${own}";`, want: "into 12x", scripts: map[string]string{"a": `global ["test"]; set "test" "1"; set "global.other" "2"; set "own" "y";`}},
	{name: "return ends", script: `fileinto "Work"; return; discard;`, want: "into Work"},

	// RFC 5183.
	{name: "environment", script: `if environment :is "domain" "example.org" { discard; }`, want: "discard"},
	{name: "environment unknown", script: `if environment :contains "x" "" { discard; }`, want: "implicit"},

	// RFC 5230 and RFC 6131.
	{name: "vacation", script: `vacation "I'm away";`, want: `vacation 168h0m0s "I'm away"; implicit`},
	{name: "vacation days", script: `vacation :days 23 :addresses ["tjs@example.edu"] :subject "gone" "away"; discard;`, want: `vacation 552h0m0s "away"; discard`},
	{name: "vacation days bounded", script: `vacation :days 100000 "x";`, want: (`vacation ` + MaxVacation.String() + ` "x"; implicit`)},
	{name: "vacation seconds", script: `vacation :seconds 3600 "x";`, want: `vacation ` + time.Hour.String() + ` "x"; implicit`},
	{name: "vacation seconds bounded", script: `vacation :seconds 1 "x";`, want: `vacation ` + MinVacation.String() + ` "x"; implicit`},
	{name: "vacation twice", script: `vacation "x"; vacation "y";`, want: "implicit; error vacation-twice"},
	{name: "vacation and reject", script: `vacation "x"; ereject "y";`, want: "implicit; error reject-alone"},
}
