package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"tocsin/config"
	"tocsin/ledger"
	"tocsin/notify/outbox"
	"tocsin/notify/sink"
)

// deliveries shows and steers the queue, beside the daemon or without it.
func deliveries(ctx context.Context, t *terminal, args []string) error {
	f := newFlags(t, "deliveries", "[-config FILE] list | show ID | retry ID | cancel ID",
		"Shows what was sent, what waits and what failed and why; sends a failed delivery\nagain, or keeps a waiting one from being sent.")
	f.withJSON()
	sink := f.String("sink", "", "list: only those to this `SINK`")
	state := f.String("state", "", "list: only those in this state: `waiting|delivered|failed|cancelled`")
	limit := f.Int("n", 50, "list: at most `N`, the newest first; 0: all")
	rest, err := f.parse(args)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return &usageError{msg: "list, show, retry or cancel?"}
	}
	verb, ids := rest[0], rest[1:]
	switch verb {
	case "list":
		if len(ids) > 0 {
			return &usageError{msg: fmt.Sprintf("unexpected argument %q", ids[0])}
		}
		switch outbox.State(*state) {
		case "", outbox.Waiting, outbox.Delivered, outbox.Failed, outbox.Cancelled:
		default:
			return &usageError{msg: fmt.Sprintf("no state %q; there are waiting, delivered, failed and cancelled", *state)}
		}
	case "show", "retry", "cancel":
		if len(ids) != 1 {
			return &usageError{msg: verb + " takes the id of one delivery; tocsin deliveries list shows them"}
		}
	default:
		return &usageError{msg: fmt.Sprintf("no %q; there are list, show, retry and cancel", verb)}
	}
	c, err := f.load()
	if err != nil {
		return err
	}
	store, err := ledger.OpenShared(ctx, c.Store.Reveal())
	if errors.Is(err, fs.ErrNotExist) {
		return noState(c)
	}
	if err != nil {
		return err
	}
	defer store.Close()
	switch verb {
	case "list":
		all, err := outbox.List(ctx, store, outbox.Filter{Sink: *sink, State: *state, Limit: *limit})
		if err != nil {
			return err
		}
		if all == nil {
			all = []outbox.Record{}
		}
		return f.print(all, func(w io.Writer) { listDeliveries(w, all, time.Now()) })
	case "retry":
		err = outbox.Retry(ctx, store, ids[0])
	case "cancel":
		err = outbox.Cancel(ctx, store, ids[0])
	}
	if err != nil {
		return fmt.Errorf("%s: %w", ids[0], err)
	}
	r, err := outbox.Show(ctx, store, ids[0])
	if err != nil {
		return fmt.Errorf("%s: %w", ids[0], err)
	}
	shown := shownDelivery{Record: r}
	if verb == "show" {
		request, err := preview(ctx, c, r)
		if shown.Request = &request; err != nil {
			shown.Request, shown.NoRequest = nil, err.Error()
		}
	}
	return f.print(shown, func(w io.Writer) { shown.print(w, time.Now()) })
}

// shownDelivery is what show prints.
type shownDelivery struct {
	outbox.Record
	// Request is what is sent where it is a message of its own, NoRequest why that
	// cannot be told. Only show has one of them.
	Request   *sink.Request `json:"request,omitempty"`
	NoRequest string        `json:"no_request,omitempty"`
}

func listDeliveries(w io.Writer, all []outbox.Record, now time.Time) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer tw.Flush()
	fmt.Fprintln(tw, "ID\tSTATE\tSINK\tTYPE\tATTEMPTS\tCREATED\tNEXT ATTEMPT\tTITLE")
	for _, r := range all {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", r.ID, r.State, r.Sink, r.Type, r.Tries, when(r.Created), next(r, now), sink.Visible(r.Title))
	}
}

// next says when a delivery is tried next.
func next(r outbox.Record, now time.Time) string {
	switch {
	case r.State != outbox.Waiting:
		return "-"
	case r.Held.After(now):
		return when(r.Held) + " (" + r.HeldFor + ")"
	case r.Behind != "":
		return "after " + r.Behind
	case r.Next.After(now):
		return when(r.Next)
	}
	return "now"
}

func (r shownDelivery) print(w io.Writer, now time.Time) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "id\t%s\nsink\t%s\ntype\t%s\ntitle\t%s\nstate\t%s\ncreated\t%s\n", r.ID, r.Sink, r.Type, sink.Visible(r.Title), r.State, when(r.Created))
	if r.State == outbox.Waiting {
		fmt.Fprintf(tw, "next attempt\t%s\n", next(r.Record, now))
	}
	if !r.Finished.IsZero() {
		fmt.Fprintf(tw, "finished\t%s\n", when(r.Finished))
	}
	if r.Error != "" {
		fmt.Fprintf(tw, "error\t%s\n", r.Error)
	}
	tw.Flush()
	r.printAttempts(w)
	switch {
	case r.Request != nil:
		printRequest(w, r.Request)
	case r.NoRequest != "":
		fmt.Fprintf(w, "\nno request to show: %s\n", r.NoRequest)
	}
}

// printRequest prints a request as people read it: JSON indented, a form decoded.
func printRequest(w io.Writer, r *sink.Request) {
	fmt.Fprintf(w, "\n%s [the sink's url]\n", r.Method)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(w, "%s: %s\n", name, r.Header[name])
	}
	var b bytes.Buffer
	form, err := url.ParseQuery(r.Body)
	switch {
	case json.Indent(&b, []byte(r.Body), "", "  ") == nil:
	case err == nil:
		b.Reset()
		for _, name := range slices.Sorted(maps.Keys(form)) {
			fmt.Fprintf(&b, "%s=%s\n", name, strings.Join(form[name], "\n"+name+"="))
		}
	default:
		b.WriteString(r.Body)
	}
	// Of what an event says nothing is to act on the terminal.
	text := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.C, r) && r != '\n' {
			return -1
		}
		return r
	}, b.String())
	fmt.Fprintf(w, "\n%s\n", strings.TrimSuffix(text, "\n"))
}

func (r shownDelivery) printAttempts(w io.Writer) {
	if len(r.Attempts) == 0 {
		fmt.Fprintln(w, "no attempts yet")
		return
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\nATTEMPT\tAT\tTOOK\tSTATUS\tANSWER")
	for _, a := range r.Attempts {
		status := "-"
		if a.Status > 0 {
			status = fmt.Sprint(a.Status)
		}
		answer := a.Error
		if !strings.Contains(answer, a.Answer) { // it repeats most
			answer = strings.TrimSpace(a.Answer + " " + answer)
		}
		fmt.Fprintf(tw, "%d\t%s\t%s\t%s\t%s\n", a.N, when(a.At), a.Took.Round(time.Millisecond), status, answer)
	}
	tw.Flush()
}

func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// noState says that nothing has been recorded yet.
func noState(c *config.Config) error {
	return fmt.Errorf("there is no state at %s yet; tocsin serve makes it", ledger.Name(c.Store.Reveal()))
}
