package causes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
)

// Which device it is, as the server that hosts the account knows it.

// deviceName names a session by its program and its address.
func deviceName(s evidence.InsideSession) string {
	if s.Program == "" {
		return s.Client
	}
	return s.Program + " (" + s.Client + ")"
}

// maxDevices is how many are named in a text.
const maxDevices = 4

// connectedDevices lists what is connected now, with how often, the most connected first.
func connectedDevices(i *evidence.Inside) string {
	counts := map[string]int{}
	var names []string
	for _, s := range i.Sessions {
		if !s.Open {
			continue
		}
		name := deviceName(s)
		if counts[name] == 0 {
			names = append(names, name)
		}
		counts[name]++
	}
	slices.SortStableFunc(names, func(a, b string) int { return counts[b] - counts[a] })
	for n, name := range names {
		if counts[name] > 1 {
			names[n] = fmt.Sprintf("%d × %s", counts[name], name)
		}
	}
	return strings.Join(names[:min(len(names), maxDevices)], ", ")
}

// refusedDevice is the address of the device whose sign-in was refused last, before the doctor tried.
func refusedDevice(e *evidence.Evidence) string {
	i, ok := fromInside(e)
	began := e.Facts()
	if !ok || len(began) == 0 {
		return ""
	}
	for _, event := range slices.Backward(i.Events) {
		if event.Kind == "sign-in" && event.At.Before(began[0].At) && event.Cause == string(cause.AuthPasswordWrong) && event.Text["client"] != "" {
			return event.Text["client"]
		}
	}
	return ""
}
