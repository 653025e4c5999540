package imapd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postiljon/postiljon/internal/message"
	"github.com/postiljon/postiljon/internal/store"
)

const benchMessages = 20_000

// benchMail is a message as most are: two alternatives, 4 KiB.
func benchMail(i int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Received: from relay.example.net (relay.example.net [192.0.2.7])\r\n\tby mx.example.org with ESMTPS id %d;\r\n\tSun, 22 Nov 2026 09:00:00 +0100\r\n", i)
	fmt.Fprintf(&b, "Date: Sun, 22 Nov 2026 09:00:00 +0100\r\nFrom: Åsa Öberg %d <asa%d@example.net>\r\nTo: <alice@example.org>\r\n", i, i%100)
	fmt.Fprintf(&b, "Subject: The agenda of meeting number %d\r\nMessage-ID: <bench-%d@example.net>\r\n", i, i)
	fmt.Fprintf(&b, "In-Reply-To: <bench-%d@example.net>\r\nReferences: <bench-%d@example.net>\r\nMIME-Version: 1.0\r\n", i&^3, i&^3)
	fmt.Fprintf(&b, "Content-Type: multipart/alternative; boundary=\"alt-%d\"\r\n\r\n", i)
	line := strings.Repeat("plain words of a letter ", 3) + "\r\n"
	fmt.Fprintf(&b, "--alt-%d\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n%s", i, strings.Repeat(line, 18))
	fmt.Fprintf(&b, "\r\n--alt-%d\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>%s</p>\r\n--alt-%d--\r\n", i, strings.Repeat(line, 26), i)
	return b.Bytes()
}

// benchWorld is a world on disk whose INBOX is full.
func benchWorld(b *testing.B) *world {
	w := newWorld(b, settings{dir: b.TempDir(), plaintext: true})
	ctx := context.Background()
	const batch = 500
	for i := 0; i < benchMessages; i += batch {
		list := make([]store.NewEmail, batch)
		var wg sync.WaitGroup
		for j := range list {
			wg.Go(func() {
				raw := benchMail(i + j)
				ref, err := w.store.Blobs().Put(ctx, raw)
				if err != nil {
					b.Error(err)
				}
				list[j] = store.NewEmail{Blob: ref, Summary: message.Summarize(raw), Received: clock.Add(-time.Duration(i+j) * time.Minute)}
			})
		}
		wg.Wait()
		if _, err := w.store.Append(ctx, w.account, store.InboxID, list); err != nil {
			b.Fatal(err)
		}
	}
	return w
}

// plainClient signs in without TLS.
func (w *world) plainClient() *wire {
	c := w.dial(false)
	c.line()
	c.ok("LOGIN " + testAddress + ` "` + testPassword + `"`)
	return c
}

// drain sends a command and reads until its tagged response, looking at the last line only.
func (c *wire) drain(command string, buf []byte) int64 {
	c.tag++
	tag := "t" + strconv.Itoa(c.tag) + " "
	c.conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c.conn, tag+command+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
	total, held := int64(0), copy(buf, "\n")
	for {
		n, err := c.conn.Read(buf[held:])
		if err != nil {
			c.t.Fatal(err)
		}
		total += int64(n)
		data := buf[:held+n]
		if data[len(data)-1] == '\n' {
			last := data[bytes.LastIndexByte(data[:len(data)-1], '\n')+1:]
			if status, ok := bytes.CutPrefix(last, []byte(tag)); ok {
				if !bytes.HasPrefix(status, []byte("OK")) {
					c.t.Fatalf("%s: %q", command, last)
				}
				return total
			}
		}
		held = copy(buf, data[max(0, len(data)-512):])
	}
}

func BenchmarkIMAP(b *testing.B) {
	w := benchWorld(b)
	buf := make([]byte, 256<<10)
	c := w.plainClient()
	c.drain("SELECT INBOX", buf)
	for _, bench := range []struct{ name, command string }{
		{"FetchSync", "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"},
		{"FetchFlags", "FETCH 1:* (UID FLAGS)"},
		{"FetchHeaders", "FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (DATE FROM TO CC SUBJECT MESSAGE-ID REFERENCES CONTENT-TYPE)])"},
		{"FetchBodies", "FETCH 1:* (UID BODY.PEEK[])"},
		{"SearchUnseen", "SEARCH UNSEEN"},
		{"SortDate", "SORT (DATE) UTF-8 ALL"},
		{"SortSubject", "UID SORT (SUBJECT DATE) UTF-8 ALL"},
		{"Threads", "UID THREAD REFERENCES UTF-8 ALL"},
		{"SearchSubject", "SEARCH SUBJECT kaleidoscope"},
		{"SearchText", "SEARCH TEXT xylophone"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			bytes := int64(0)
			for b.Loop() {
				bytes += c.drain(bench.command, buf)
			}
			b.ReportMetric(float64(b.N)*benchMessages/b.Elapsed().Seconds(), "messages/s")
			b.SetBytes(bytes / int64(b.N))
		})
	}
	b.Run("FetchOne", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			c.drain("FETCH "+strconv.Itoa(1+i*7919%benchMessages)+" (UID BODY.PEEK[])", buf)
		}
	})
	b.Run("StoreOne", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			c.drain("STORE "+strconv.Itoa(1+i*7919%benchMessages)+" "+"+-"[i&1:i&1+1]+`FLAGS.SILENT (\Flagged)`, buf)
		}
	})
	b.Run("Noop", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.drain("NOOP", buf)
		}
	})
	b.Run("Select", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.drain("SELECT INBOX", buf)
		}
	})
	b.Run("Append", func(b *testing.B) {
		b.ReportAllocs()
		raw := benchMail(7)
		command := fmt.Sprintf("APPEND Sent {%d+}\r\n%s", len(raw), raw)
		for b.Loop() {
			c.drain(command, buf)
		}
	})
}
