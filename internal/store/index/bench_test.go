package index

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/postiljon/postiljon/internal/store"
	"github.com/postiljon/postiljon/internal/store/storetest"
)

const benchMessages = 20_000

// benchMail is a message of common and rare words, as mail is: 2 KiB of text and a header with
// what servers add.
func benchMail(r *rand.Rand, i int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Received: from relay%d.example.net (relay.example.net [192.0.2.%d])\r\n\tby mx.example.org with ESMTPS id %x;\r\n\tSun, 22 Nov 2026 09:00:00 +0100\r\n", r.IntN(20), r.IntN(256), r.Uint64())
	fmt.Fprintf(&b, "DKIM-Signature: v=1; a=rsa-sha256; d=example.net; s=k1; bh=%x; b=%x%x%x%x\r\n", r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64())
	fmt.Fprintf(&b, "From: %s %s <user%d@example.net>\r\nTo: alice@example.org\r\nSubject: %s %s %s\r\nMessage-ID: <%x@example.net>\r\n", word(r), word(r), r.IntN(500), word(r), word(r), word(r), r.Uint64())
	b.WriteString("Content-Type: text/plain; charset=utf-8\r\n\r\n")
	for line := range 40 {
		for range 8 {
			b.WriteString(word(r))
			b.WriteByte(' ')
		}
		if line == 7 && i%5000 == 4999 {
			b.WriteString("xylophone")
		}
		b.WriteString("\r\n")
	}
	return b.String()
}

// word is one of 8,000 words; a few are in most messages, most in few.
func word(r *rand.Rand) string {
	const vowels, consonants = "aeiouåäö", "bdfghklmnprstv"
	v, c := []rune(vowels), []rune(consonants)
	n := int(8000 * r.Float64() * r.Float64() * r.Float64())
	var b strings.Builder
	for seed := uint32(n)*2654435761 + 1; seed > 1<<12; seed >>= 6 {
		b.WriteRune(c[seed%uint32(len(c))])
		b.WriteRune(v[seed>>3%uint32(len(v))%uint32(len(v))])
	}
	return b.String()
}

func benchWorld(b *testing.B) *world {
	w := newWorld(b)
	r := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < benchMessages; i += 1000 {
		list := make([]store.NewEmail, 1000)
		for j := range list {
			list[j] = storetest.Email(b, w.store, benchMail(r, i+j))
		}
		if _, err := w.store.Append(b.Context(), w.account, store.InboxID, list); err != nil {
			b.Fatal(err)
		}
	}
	return w
}

func BenchmarkIndex(b *testing.B) {
	w := benchWorld(b)
	b.Run("Rebuild", func(b *testing.B) {
		for b.Loop() {
			if err := w.index.Rebuild(b.Context(), w.account, nil); err != nil {
				b.Fatal(err)
			}
		}
		st, err := w.index.Status(b.Context(), w.account)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(b.N)*benchMessages/b.Elapsed().Seconds(), "messages/s")
		b.ReportMetric(float64(st.Size)/float64(st.Text), "octets/octet")
		b.ReportMetric(float64(st.Text)/benchMessages, "octets/message")
		b.ReportMetric(float64(st.Runs), "runs")
	})
	w.update()
	for _, q := range []struct{ name, text string }{{"Rare", "xylophone"}, {"Absent", "kaleidoscope"}, {"Common", "the"}, {"Long", "relay.example.net (relay.example.net"}} {
		b.Run(q.name, func(b *testing.B) {
			b.ReportAllocs()
			n, count := NewNeedle(q.text), 0
			for b.Loop() {
				m, err := w.index.Find(b.Context(), w.account, Everywhere, n)
				if err != nil || m == nil {
					b.Fatal(m, err)
				}
				count = m.Count()
			}
			b.ReportMetric(float64(count), "emails")
		})
	}
}
