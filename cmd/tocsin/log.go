package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
)

// The forms in which the log is written.
const (
	logAuto    = "auto" // logJournal where standard error is the journal, else logText
	logText    = "text"
	logJSON    = "json"
	logJournal = "journal"
)

// logger writes the log as text.
func (t *terminal) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.err, &slog.HandlerOptions{Level: level}))
}

// loggerOf writes the log in a form.
func (t *terminal) loggerOf(form string, level slog.Level) (*slog.Logger, error) {
	if form == logAuto {
		form = logText
		if is, err := journal.StderrIsJournalStream(); is && err == nil && t.err == os.Stderr {
			form = logJournal
		}
	}
	switch form {
	case logText:
		return t.logger(level), nil
	case logJSON:
		return slog.New(slog.NewJSONHandler(t.err, &slog.HandlerOptions{Level: level})), nil
	case logJournal:
		return slog.New(newJournalHandler(t.err, level, journal.Send)), nil
	}
	return nil, &usageError{msg: fmt.Sprintf("-log %s: there are %s, %s, %s and %s", form, logAuto, logText, logJSON, logJournal)}
}

// journalHandler writes records to the journal: the line that a person reads, its
// priority, and each attribute as a field that begins with TOCSIN_
// (systemd.journal-fields(7)).
type journalHandler struct {
	level  slog.Level
	send   func(message string, p journal.Priority, fields map[string]string) error
	lost   io.Writer // takes what the journal does not
	fields map[string]string
	group  string // of the attributes to come, as part of a field's name

	text slog.Handler // writes the attributes into line
	line *line
}

// line is what handlers of one logger share.
type line struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func newJournalHandler(lost io.Writer, level slog.Level, send func(string, journal.Priority, map[string]string) error) *journalHandler {
	h := &journalHandler{level: level, send: send, lost: lost, line: &line{}}
	h.fields = map[string]string{"SYSLOG_IDENTIFIER": "tocsin"}
	h.text = slog.NewTextHandler(&h.line.buf, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
				return slog.Attr{} // the journal has them itself
			}
			return a
		},
	})
	return h
}

// Enabled implements slog.Handler.
func (h *journalHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

// WithAttrs implements slog.Handler.
func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.text = h.text.WithAttrs(attrs)
	with.fields = maps.Clone(h.fields)
	for _, a := range attrs {
		addField(with.fields, h.group, a)
	}
	return &with
}

// WithGroup implements slog.Handler.
func (h *journalHandler) WithGroup(name string) slog.Handler {
	with := *h
	with.text = h.text.WithGroup(name)
	with.group += name + "_"
	return &with
}

// Handle implements slog.Handler.
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	fields := maps.Clone(h.fields)
	r.Attrs(func(a slog.Attr) bool {
		addField(fields, h.group, a)
		return true
	})
	r.Time = time.Time{} // the journal has it itself
	h.line.mu.Lock()
	defer h.line.mu.Unlock()
	h.line.buf.Reset()
	if err := h.text.Handle(ctx, r); err != nil {
		return err
	}
	message := r.Message
	if attrs := strings.TrimSpace(h.line.buf.String()); attrs != "" {
		message += " " + attrs
	}
	p := priority(r.Level)
	if err := h.send(message, p, fields); err != nil {
		// What standard error takes from here goes the long way (sd-daemon(3)).
		_, err = fmt.Fprintf(h.lost, "<%d>%s\n", p, message)
		return err
	}
	return nil
}

func priority(l slog.Level) journal.Priority {
	switch {
	case l >= slog.LevelError:
		return journal.PriErr
	case l >= slog.LevelWarn:
		return journal.PriWarning
	case l >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}

// longestField is the longest name of a field that the journal takes.
const longestField = 64

// addField adds an attribute to the fields of a record, and those of a group.
func addField(fields map[string]string, group string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "_"
		}
		for _, a := range v.Group() {
			addField(fields, group, a)
		}
		return
	}
	if a.Key == "" {
		return
	}
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, "TOCSIN_"+group+a.Key)
	text := v.String()
	if v.Kind() == slog.KindTime {
		text = v.Time().Format(time.RFC3339Nano)
	}
	fields[name[:min(len(name), longestField)]] = text
}
