package lab_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/postiljon/postiljon/internal/lab"
	"github.com/postiljon/postiljon/internal/lab/peer"
)

// A hotel's network drops a submission port; at home it answers, in the words of Gmail.
func Example() {
	w, err := lab.Open()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Close()
	north := w.Provider("north.example")
	north.Account("anna@north.example", "secret")
	gmail, err := peer.Speak("gmail")
	if err != nil {
		fmt.Println(err)
		return
	}
	north.SetDialect(gmail)
	w.Vantage("hotel").Break(lab.Where{Port: 587}, lab.Drop())

	patience := map[string]time.Duration{"hotel": 200 * time.Millisecond, "home": 10 * time.Second}
	for _, place := range []string{"hotel", "home"} {
		ctx, cancel := context.WithTimeout(context.Background(), patience[place])
		c, err := w.Vantage(place).DialContext(ctx, "tcp", "smtp.north.example:587")
		cancel()
		if err != nil {
			fmt.Println(place, "times out:", errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded))
			continue
		}
		line, err := bufio.NewReader(c).ReadString('\n')
		c.Close()
		fmt.Printf("%s: %.28s %v\n", place, line, err)
	}
	fmt.Println(north.Submission.Counts().Connections, "connection")
	// Output:
	// hotel times out: true
	// home: 220 smtp.north.example ESMTP <nil>
	// 1 connection
}
