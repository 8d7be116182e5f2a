package ledger

import (
	"context"
	"database/sql"
	"iter"

	"tocsin/event"
	"tocsin/timeline"
)

// Marks of files are a cache: what an earlier process knew of the files of the public
// events, so that the next one need not read those again that are as they were. They
// stand beside the briefs, as a start reads both.

// fileMark is the mark of the file of an event.
type fileMark struct {
	event *event.Event
	mark  timeline.Mark
}

// Marks returns, once, the events whose files a process with the same Options.Reader
// knew, and their marks. They are the caller's from then on, who may do without.
func (l *Ledger) Marks() iter.Seq2[*event.Event, timeline.Mark] {
	all := l.read
	l.read = nil
	return func(yield func(*event.Event, timeline.Mark) bool) {
		for _, m := range all {
			if !yield(m.event, m.mark) {
				return
			}
		}
	}
}

// Mark enters the marks of files by the ids of their events; nil forgets one. Those that
// another reader left are forgotten.
func (l *Ledger) Mark(marks map[string]timeline.Mark) { l.marks = marks }

// writeMarks writes the marks of events that are not written themselves.
func (l *Ledger) writeMarks(ctx context.Context, tx *sql.Tx) error {
	if len(l.marks) == 0 {
		return nil
	}
	put, err := tx.PrepareContext(ctx, `UPDATE briefs SET mark = $1 WHERE entry_id = $2`)
	if err != nil {
		return err
	}
	defer put.Close()
	for id, mark := range l.marks {
		l.o.Progress()
		r := l.public[id]
		if r == nil || l.changed[r.ID] != nil || l.unbrief {
			continue
		}
		if _, err := put.ExecContext(ctx, []byte(mark), r.ID); err != nil {
			return err
		}
	}
	return nil
}

// takeMarks forgets the marks that another reader left, where others are to be written.
func (l *Ledger) takeMarks(ctx context.Context, tx *sql.Tx) error {
	if len(l.marks) == 0 {
		return nil
	}
	last, err := meta(ctx, tx, metaReader)
	if err != nil || last == l.o.Reader {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE briefs SET mark = NULL WHERE mark IS NOT NULL`); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, putMeta, metaReader, l.o.Reader)
	return err
}
