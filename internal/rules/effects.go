package rules

import (
	"strings"

	"github.com/postiljon/postiljon/internal/sieve"
)

// Effect is one thing that a script can do to a message, for whoever looks for mail that is not where
// it was expected.
type Effect struct {
	Rule      string `json:"rule,omitempty"`      // its name, or script and line
	Condition string `json:"condition,omitempty"` // as the script has it
	Action    string `json:"action"`              // move, delete or forward
	Folder    string `json:"folder,omitempty"`
	To        string `json:"to,omitempty"`
}

// maxEffects is how many effects are told.
const maxEffects = 100

// Effects lists what a script can do to messages, in its order, however it is written otherwise. Of a
// script that cannot be read it is nothing.
func Effects(name, text string) []Effect {
	tree, err := sieve.ParseTree(text, sieve.Limits{})
	if err != nil {
		return nil
	}
	c := &compiled{name: name, rules: ruleNames(text)}
	return c.effects(nil, tree, "")
}

func (c *compiled) effects(list []Effect, commands []sieve.Command, condition string) []Effect {
	for i := range commands {
		x := &commands[i]
		if x.Block != nil {
			inner := condition
			if len(x.Tests) > 0 {
				inner = x.Tests[0].String()
			}
			list = c.effects(list, x.Block, inner)
			continue
		}
		e := Effect{Rule: c.rule(sieve.Where{Line: x.Line}), Condition: condition}
		switch x.Name {
		case "fileinto":
			e.Action, e.Folder = "move", lastString(x)
		case "redirect":
			e.Action, e.To = "forward", lastString(x)
		case "discard", "reject", "ereject":
			e.Action = "delete"
		default:
			continue
		}
		if len(list) < maxEffects {
			list = append(list, e)
		}
	}
	return list
}

// lastString is the positional argument of a command that takes one string.
func lastString(x *sieve.Command) string {
	if n := len(x.Args); n > 0 && x.Args[n-1].Kind == sieve.ArgumentString {
		return strings.TrimSpace(x.Args[n-1].Strings[0].Value)
	}
	return ""
}
