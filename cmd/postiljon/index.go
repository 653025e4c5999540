package main

import (
	"context"
	"fmt"
	"time"

	"github.com/postiljon/postiljon/internal/control"
	"github.com/postiljon/postiljon/internal/store/index"
)

// openIndex begins to keep the search index up to date.
func (s *service) openIndex(context.Context) error {
	s.index = index.New(index.Options{Store: s.store, Log: s.log})
	s.index.Start()
	s.onClose("index", s.index.Close)
	return nil
}

type indexCommand struct {
	Status  indexStatusCommand  `cmd:"" help:"Say how far the search index is and what it takes."`
	Rebuild indexRebuildCommand `cmd:"" help:"Make the search index anew; searches go on meanwhile, slower."`
}

type indexStatusCommand struct {
	Address string `arg:"" optional:"" help:"Of one account; without it of all."`
	outputFlags
}

// Run tells how the search indexes are.
func (i *indexStatusCommand) Run(ctx context.Context, s *streams, c *commands) error {
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	list, err := client.IndexStatus(ctx, i.Address)
	if err != nil {
		return err
	}
	if i.JSON {
		return printJSON(s, list)
	}
	return writeIndexes(s, list)
}

type indexRebuildCommand struct {
	Address string `arg:"" optional:"" help:"Of one account."`
	All     bool   `help:"Of all accounts."`
	outputFlags
}

// Run makes search indexes anew.
func (i *indexRebuildCommand) Run(ctx context.Context, s *streams, c *commands) error {
	if (i.Address == "") != i.All {
		return usagef("name one account, or say --all")
	}
	client, err := c.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	b := newBar(s, "indexing", false)
	begun := time.Now()
	list, err := client.RebuildIndex(ctx, i.Address, b.set)
	b.done()
	if err != nil {
		return err
	}
	if i.JSON {
		return printJSON(s, list)
	}
	messages := int64(0)
	for _, a := range list {
		messages += a.Indexed
	}
	return s.say("Indexed %s of %s in %s.", count(messages, "message"), count(len(list), "account"), lasted(time.Since(begun)))
}

func writeIndexes(s *streams, list []control.IndexedAccount) error {
	for _, a := range list {
		waiting := "up to date"
		if a.Waiting > 0 {
			waiting = fmt.Sprintf("%d not yet", a.Waiting)
		}
		if err := s.say("%s: %s indexed, %s; %s of text in %s", a.Address, count(a.Indexed, "message"), waiting, octets(a.Text), octets(a.Size)); err != nil {
			return err
		}
	}
	return nil
}
