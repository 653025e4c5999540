package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// ClientStateSchema is the id of the schema of ClientState.
const ClientStateSchema = "postiljon.client-state/1"

// ReadClientState reads a file of the schema postiljon.client-state/1. A field
// that the schema does not know is an error that names it: a misspelt one would go unseen.
func ReadClientState(raw []byte) (*ClientState, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	var c ClientState
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("not %s: %w", ClientStateSchema, err)
	}
	if c.Schema != "" && c.Schema != ClientStateSchema {
		return nil, fmt.Errorf("schema is %q, not %s", c.Schema, ClientStateSchema)
	}
	return &c, nil
}
