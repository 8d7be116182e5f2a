package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"tocsin/config"
	"tocsin/notify"
	"tocsin/timeline"
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
	f := newFlags(t, "send", "[-config FILE] SINK | -event ID -explain",
		"Sends a test message to one sink of the configuration and prints what it answered.\nWith -event and -explain: sends nothing, and says of each sink whether it is told of\nthat event, and why.")
	f.withJSON()
	id := f.String("event", "", "the `ID` of an event, to be explained")
	explained := f.Bool("explain", false, "say which sinks are told of the event, and why")
	rest, err := f.parse(args)
	if err != nil {
		return err
	}
	c, err := f.load()
	if err != nil {
		return err
	}
	switch {
	case (*id != "") != *explained:
		return &usageError{msg: "-event and -explain go together"}
	case *explained:
		return explain(ctx, f, c, *id, rest)
	case len(rest) != 1:
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

// explain prints which sinks, all of them or those that are named, are told of an
// event, and why.
func explain(ctx context.Context, f *flags, c *config.Config, id string, sinks []string) error {
	tl := newTimeline(c, nil)
	bar := f.t.progress("reading events")
	if _, err := tl.Look(ctx, timeline.Where{All: true, Sure: true, At: time.Now(), Progress: bar.at}); err != nil {
		return fmt.Errorf("events.dir: %w", err)
	}
	bar.end()
	e := tl.Event(id)
	if e == nil {
		return fmt.Errorf("no public event has the id %q: a file's path below %s without its ending, or its own id; tocsin check names files with faults", id, c.Events.Dir)
	}
	all := []notify.Explained{}
	for _, r := range rules(c, dialect(c)) {
		if len(sinks) == 0 || slices.Contains(sinks, r.Sink) {
			all = append(all, r.Explain(e, time.Now()))
		}
	}
	if len(all) == 0 {
		return &usageError{msg: "no such sink; " + known(c)}
	}
	return f.print(all, func(w io.Writer) {
		for _, x := range all {
			if x.Why != "" {
				fmt.Fprintf(w, "%s: not sent: %s\n", x.Sink, x.Why)
				continue
			}
			fmt.Fprintf(w, "%s:\n", x.Sink)
			for _, k := range x.Kinds {
				word := "sent"
				if !k.Sent {
					word = "not sent"
				}
				if k.Why != "" {
					word += ": " + k.Why
				}
				fmt.Fprintf(w, "  %-10s %s\n", k.Kind, word)
			}
		}
	})
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
