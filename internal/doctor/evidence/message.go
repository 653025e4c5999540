package evidence

import "github.com/postiljon/postiljon/internal/doctor/bounce"

// Bounced is a report that the person got back.
type Bounced struct{ *bounce.Bounce }

// FactName implements Value.
func (Bounced) FactName() string { return "bounce" }

// Letter is the message that the complaint is about.
type Letter struct{ *bounce.Message }

// FactName implements Value.
func (Letter) FactName() string { return "message" }
