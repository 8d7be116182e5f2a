package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"text/template"
	"time"

	"tocsin/config"
	"tocsin/event"
	"tocsin/feed"
	"tocsin/ledger"
	"tocsin/notify"
	"tocsin/notify/outbox"
	"tocsin/notify/sink"
	"tocsin/shelf"
	"tocsin/timeline"
)

// This file turns the configuration's values into those of the packages, which
// do not know it.

func dialect(c *config.Config) event.Dialect {
	return event.Dialect{
		Fields: c.Events.Fields, TagSplit: c.Events.Split.Tags, ActorSplit: c.Events.Split.Actors,
		ImportanceWords: c.Events.ImportanceWords, ImportanceDefault: c.Events.ImportanceDefault, StatusWords: c.Events.StatusWords,
		DateLayouts: c.Events.DateLayouts, Language: c.Site.Language, Zone: zone(c.Site.Timezone),
		TagAliases: c.Events.Aliases.Tags, ActorAliases: c.Events.Aliases.Actors,
		MaxBytes: int(c.Events.MaxBytes),
	}
}

// zone is a time zone. The configuration has been checked: one that cannot be
// read here is a fault of the program.
func zone(name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return z
}

// checkFields says which places of fields are none.
func checkFields(c *config.Config, fault func(field string, index int, what string)) {
	for _, err := range dialect(c).Check() {
		fault(err.Field, err.Index, err.Msg)
	}
}

func newTimeline(c *config.Config, shelve func(*event.Event) *event.Event) *timeline.Timeline {
	return timeline.Empty(timeline.Options{
		Dir: c.Events.Dir, Include: c.Events.Include, Exclude: c.Events.Exclude, MaxBytes: int(c.Events.MaxBytes),
		Reader: event.NewReader(dialect(c)), Settle: c.Watch.Settle, MaxDelay: c.Watch.MaxDelay, Now: time.Now,
		Shelve: shelve,
	})
}

// newShelf returns a shelf for the texts of events, beside the state.
func newShelf(s *ledger.Store, log *slog.Logger) *shelf.Shelf {
	if s.Path() == "" {
		return shelf.New("", log)
	}
	return shelf.New(filepath.Dir(s.Path()), log)
}

// readerOf names all that decides what is read from a file: how events are spelt, and
// this program.
func readerOf(c *config.Config) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %+v %s", version, c.Events, c.Site.Language+" "+c.Site.Timezone)
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, s := range b.Settings {
			fmt.Fprint(h, " ", s)
		}
	}
	if path, err := os.Executable(); err == nil {
		if fi, err := os.Stat(path); err == nil { // one that was built from changed files
			fmt.Fprint(h, " ", fi.Size(), fi.ModTime().UnixNano())
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// sameTimeline reports whether newTimeline makes the same of both configurations.
func sameTimeline(a, b *config.Config) bool {
	return readerOf(a) == readerOf(b) && a.Watch == b.Watch
}

func matcher(m config.Match, d event.Dialect) *event.Matcher {
	day := func(s string) time.Time {
		t, _ := time.Parse(time.DateOnly, s) // valid or empty
		return t
	}
	return event.NewMatcher(event.Match{
		Tags: m.Tags, Actors: m.Actors, AllTags: m.AllTags, AllActors: m.AllActors, NotTags: m.NotTags, NotActors: m.NotActors,
		Status: m.Status, Location: m.Location, MinImportance: m.MinImportance, MaxImportance: m.MaxImportance,
		From: day(m.From), To: day(m.To),
	}, d)
}

func rules(c *config.Config, d event.Dialect) []notify.Rule {
	var all []notify.Rule
	for _, s := range c.Notify.Sinks {
		r := notify.Rule{Sink: s.Name, Match: matcher(s.Match, d), Fields: fields(s.Fields), Burst: s.Burst, Hold: held(s)}
		for _, k := range s.On {
			r.On = append(r.On, notify.Kind(k))
		}
		all = append(all, r)
	}
	return all
}

// held says until when messages to a sink are held. The configuration has been
// checked: what cannot be read here is a fault of the program.
func held(s config.Sink) notify.Hold {
	var h notify.Hold
	if s.Digest.Schedule != "" {
		var err error
		if h.Digest, err = notify.NewSchedule(s.Digest.Schedule, zone(s.Digest.Timezone)); err != nil {
			panic(err)
		}
	}
	if s.Quiet.From != "" {
		clock := func(text string) time.Duration {
			t, err := time.Parse("15:04", text)
			if err != nil {
				panic(err)
			}
			return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
		}
		h.Quiet = &notify.Quiet{From: clock(s.Quiet.From), To: clock(s.Quiet.To), Except: s.Quiet.ExceptImportance, Zone: zone(s.Quiet.Timezone)}
	}
	return h
}

func fields(names []string) []event.Field {
	all := make([]event.Field, len(names))
	for i, n := range names {
		all[i] = event.Field(n)
	}
	return all
}

func formats(c *config.Config) []feed.Format {
	all := make([]feed.Format, len(c.Feeds.Formats))
	for i, f := range c.Feeds.Formats {
		all[i] = feed.Format(f)
	}
	return all
}

// newSender makes the sink that the configuration describes.
func newSender(s config.Sink, now func() time.Time, log *slog.Logger) (notify.Sender, error) {
	c, err := sinkConfig(s, now, log)
	if err != nil {
		return nil, err
	}
	return sink.New(c)
}

func sinkConfig(s config.Sink, now func() time.Time, log *slog.Logger) (sink.Config, error) {
	c := sink.Config{
		Name: s.Name, Type: s.Type, URL: s.URL.Reveal(), Headers: make(map[string]string),
		CA: s.CA.Reveal(), Thread: s.Updates == "thread", Version: version, Now: now, Logger: log,
	}
	for _, secret := range s.Secrets {
		c.Secrets = append(c.Secrets, secret.Reveal())
	}
	for name, value := range s.Headers {
		c.Headers[name] = value.Reveal()
	}
	for text, t := range map[string]**template.Template{s.Template.Title: &c.Title, s.Template.Body: &c.Body} {
		if strings.TrimSpace(text) == "" {
			continue
		}
		parsed, err := template.New(s.Name).Parse(text)
		if err != nil {
			return c, fmt.Errorf("notify: sink %s: template: %w", s.Name, err)
		}
		*t = parsed
	}
	return c, nil
}

// checkSink says what a sink's tool misses in its configuration, and in which key.
func checkSink(s config.Sink) (key, fault string) {
	c, err := sinkConfig(s, time.Now, nil)
	if err == nil {
		_, err = sink.New(c)
	}
	if err == nil {
		for key, t := range map[string]*template.Template{"template.title": c.Title, "template.body": c.Body} {
			if t == nil {
				continue
			}
			if err := sink.CheckTemplate(t); err != nil {
				return key, err.Error() + "; the README lists the fields"
			}
		}
		return "", ""
	}
	fault = strings.TrimPrefix(err.Error(), "sink "+s.Name+": ")
	for _, key := range []string{"url", "headers"} {
		if of, ok := strings.CutPrefix(fault, key+": "); ok {
			return key, of
		}
	}
	return "type", fault
}

// checkStore says what is wrong with an address of a database.
func checkStore(address string) (fault string) {
	if err := ledger.CheckURL(address); err != nil {
		return err.Error()
	}
	return ""
}

// hubConfig is that of the hub as a sink.
func hubConfig(c *config.Config, now func() time.Time, log *slog.Logger) sink.Config {
	return sink.Config{Name: config.HubSink, Type: "websub", URL: c.Feeds.Hub, Version: version, Now: now, Logger: log}
}

// preview returns the request of a delivery, without secrets.
func preview(ctx context.Context, c *config.Config, r outbox.Record) (sink.Request, error) {
	d := notify.Delivery{ID: r.ID, Sink: r.Sink, Message: r.Message}
	if r.Sink == config.HubSink && c.Feeds.Hub != "" {
		return sink.Preview(ctx, hubConfig(c, time.Now, nil), d)
	}
	for _, s := range c.Notify.Sinks {
		if s.Name != r.Sink {
			continue
		}
		of, err := sinkConfig(s, time.Now, nil)
		if err != nil {
			return sink.Request{}, err
		}
		return sink.Preview(ctx, of, d)
	}
	return sink.Request{}, fmt.Errorf("the configuration has no sink %s", r.Sink)
}

// hubRetry is how long a hub is told again that feeds have changed. Hubs also look
// by themselves once in a while.
const hubRetry = 24 * time.Hour

// newOutbox makes the queue of the sinks and of the hub, measured by m if that is not
// nil; live lifts when the hub may be told.
func newOutbox(c *config.Config, store *ledger.Store, live *gate, now func() time.Time, log *slog.Logger, m *metrics) (*outbox.Outbox, error) {
	updates := map[string]outbox.Updates{"post": outbox.Post, "edit": outbox.Edit, "thread": outbox.Thread}
	var sinks []outbox.Sink
	for _, s := range c.Notify.Sinks {
		sender, err := newSender(s, now, log)
		if err != nil {
			return nil, err
		}
		sinks = append(sinks, outbox.Sink{Name: s.Name, Sender: sender, Rate: float64(s.Rate), RetryFor: s.RetryFor, Updates: updates[s.Updates]})
	}
	if c.Feeds.Hub != "" {
		hub, err := sink.New(hubConfig(c, now, log))
		if err != nil {
			return nil, err
		}
		// One at a time, so that what changes meanwhile can join what waits; and where the
		// feeds are known to be published.
		sinks = append(sinks, outbox.Sink{Name: config.HubSink, Sender: hub, Rate: 1, RetryFor: hubRetry, Workers: 1, Ready: live.lifted, Here: live.here})
	}
	o := outbox.Options{Store: store, Sinks: sinks, Now: now, Logger: log}
	if m != nil {
		o.Attempted = m.attempted
	}
	return outbox.New(o), nil
}
