package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"tocsin/config"
	"tocsin/notify"
)

// sent is what send prints.
type sent struct {
	Sink   string `json:"sink"`
	Status int    `json:"status"`
	Answer string `json:"answer"`
	Error  string `json:"error,omitempty"`
	Millis int64  `json:"took_ms"`
}

// send sends a test message to one sink, past the queue, and says what it
// answered.
func send(ctx context.Context, t *terminal, args []string) error {
	f := newFlags(t, "send", "[-config FILE] SINK", "Sends a test message to one sink of the configuration and prints what it answered.")
	f.withJSON()
	rest, err := f.parse(args)
	if err != nil {
		return err
	}
	c, err := f.load()
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return &usageError{msg: "which sink? " + known(c)}
	}
	var chosen *config.Sink
	for i := range c.Notify.Sinks {
		if c.Notify.Sinks[i].Name == rest[0] {
			chosen = &c.Notify.Sinks[i]
		}
	}
	if chosen == nil {
		return &usageError{msg: fmt.Sprintf("no sink %q; %s", rest[0], known(c))}
	}
	sender, err := newSender(*chosen, time.Now, t.logger(slog.LevelWarn))
	if err != nil {
		return err
	}
	began := time.Now()
	answer, err := sender.Send(ctx, notify.Delivery{
		ID: "msg_test_" + rand.Text(), Sink: chosen.Name,
		Message: notify.Test(notify.Site{Title: c.Site.Title, URL: c.Site.URL}, began),
	})
	r := sent{Sink: chosen.Name, Status: answer.Status, Answer: answer.Text, Millis: time.Since(began).Milliseconds()}
	if err != nil {
		r.Error = err.Error()
	}
	perr := f.print(r, func(w io.Writer) {
		if err != nil {
			fmt.Fprintf(w, "%s: not taken: %v\n", r.Sink, err)
		} else {
			fmt.Fprintf(w, "%s: taken in %d ms: %d %s\n", r.Sink, r.Millis, r.Status, r.Answer)
		}
	})
	if perr != nil {
		return perr
	}
	if err != nil {
		return errFaults
	}
	return nil
}

// known lists the sinks of a configuration.
func known(c *config.Config) string {
	if len(c.Notify.Sinks) == 0 {
		return "the configuration has no sinks (notify.sinks)"
	}
	var names []string
	for _, s := range c.Notify.Sinks {
		names = append(names, s.Name)
	}
	return "the configuration has " + strings.Join(names, ", ")
}
