package jmapd

import (
	"errors"
	"strings"
	"testing"
)

// A call reads so much and no more, whatever it does with it.
func TestBlobReadIsBounded(t *testing.T) {
	r := blobRange{left: maxBlobAnswer, readable: 25}
	read := func() error {
		_, err := r.read(&bounded{strings.NewReader("ten octets"), &r.readable}, []string{"digest:sha-256", "size"})
		return err
	}
	var refused *methodError
	if err := errors.Join(read(), read()); err != nil {
		t.Fatal(err)
	}
	if err := read(); !errors.As(err, &refused) || refused.Type != "requestTooLarge" {
		t.Errorf("the third: %v", err)
	}
}
