package outbound

import "testing"

// TestNamesOfOtherScripts: a domain of letters that the DNS does not know is looked up by its A-label, and mail for both ways of writing it goes
// in one transaction; a server that does not know SMTPUTF8 is told the A-label.
func TestNamesOfOtherScripts(t *testing.T) {
	w := newWorld(t)
	far := w.serve("xn--bcher-kva.test", &peer{})
	w.submit([]string{"you@bücher.test", "too@xn--bcher-kva.test", "big@BÜCHER.test"})
	w.settle()
	wantList(t, "events", w.events(), []string{"message.relayed you@bücher.test", "message.relayed too@xn--bcher-kva.test", "message.relayed big@BÜCHER.test"})
	got := far.letters()
	if len(got) != 1 {
		t.Fatalf("the peer got %+v", got)
	}
	wantList(t, "recipients", got[0].rcpts, []string{"you@xn--bcher-kva.test", "too@xn--bcher-kva.test", "big@xn--bcher-kva.test"})
}
