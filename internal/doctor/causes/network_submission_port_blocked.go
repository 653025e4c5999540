package causes

import (
	"slices"
	"strconv"

	"github.com/postiljon/postiljon/internal/cause"
	"github.com/postiljon/postiljon/internal/doctor/evidence"
	"github.com/postiljon/postiljon/internal/doctor/infer"
)

// network.submission-port-blocked: a port for sending fails at the provider and
// at others alike, while other ports work: so it is the network and not the server.
var networkSubmissionPortBlocked = &infer.Cause{
	ID:       cause.NetworkSubmissionPortBlocked,
	About:    []evidence.Symptom{evidence.Send, evidence.SignsIn},
	Requires: []*infer.Sign{portBlocked},
	Explains: []infer.Link{
		{Sign: submissionUnreachable, P: 0.15},
		{Sign: submissionDead, P: 0.15},
	},
	Proof: []*infer.Sign{portBlocked},
	Params: func(e *evidence.Evidence) []cause.Param {
		blocked, open := submissionPorts(e)
		if len(blocked) == 0 {
			return nil
		}
		params := []cause.Param{cause.Text("port", strconv.Itoa(blocked[0]))}
		if len(open) > 0 {
			params = append(params, cause.Text("other", strconv.Itoa(open[0])))
		}
		return params
	},
}

var portBlocked = &infer.Sign{Name: "submission-port-blocked", Of: func(e *evidence.Evidence) infer.Truth {
	if noneOf(referenceConnects(e), connected) != infer.No || noneOf(ownConnects(e), connected) != infer.No {
		return infer.Unknown // nothing works, or was tried: no contrast
	}
	if worksAsGiven(e, evidence.Submission) {
		return infer.No
	}
	blocked, _ := submissionPorts(e)
	return infer.Is(len(blocked) > 0)
}}

// submissionPorts returns the ports for sending that fail here and at the
// reference, and those that work at the provider.
func submissionPorts(e *evidence.Evidence) (blocked, open []int) {
	at := func(port int, connects []evidence.Connect) infer.Truth {
		return noneOf(slices.DeleteFunc(slices.Clone(connects), func(c evidence.Connect) bool { return c.Endpoint.Port != port }), connected)
	}
	mine, others := ownConnects(e), referenceConnects(e)
	for _, port := range []int{587, 465} {
		switch {
		case at(port, mine) == infer.No:
			open = append(open, port)
		case at(port, mine) == infer.Yes && at(port, others) == infer.Yes:
			blocked = append(blocked, port)
		}
	}
	return blocked, open
}
