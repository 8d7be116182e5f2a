package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"tocsin/event"
	"tocsin/timeline"
)

// storedTexts are the texts of events that Load has left in the store, as if they stood in
// one file (io.ReaderAt), the n-th from n*textSpan on. As the store only has that of the
// last revision, a text is put elsewhere before another one is written (part). It is safe
// for concurrent use.
type storedTexts struct {
	store *Store

	mu     sync.RWMutex
	of     []*timeline.Record        // nil: the text is parted
	parted map[int]*io.SectionReader // texts that are elsewhere now
}

// textSpan is more than any text has bytes.
const textSpan = math.MaxInt32 + 1

// add returns where the text of a record begins.
func (t *storedTexts) add(r *timeline.Record) (at int64) {
	t.of = append(t.of, r)
	return int64(len(t.of)-1) * textSpan
}

// find returns the record whose text is the n-th, or where that is now.
func (t *storedTexts) find(n int) (*timeline.Record, *io.SectionReader) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.of[n], t.parted[n]
}

// part notes where the n-th text is now, where that is not known.
func (t *storedTexts) part(n int, text *io.SectionReader) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.parted[n] == nil {
		t.of[n], t.parted[n] = nil, text
	}
}

// textLimit bounds how long a text is waited for.
const textLimit = 10 * time.Second

// ReadAt reads the texts as event.AppendText writes them.
func (t *storedTexts) ReadAt(b []byte, at int64) (int, error) {
	i, at := int(at/textSpan), at%textSpan
	r, parted := t.find(i)
	if parted != nil {
		return parted.ReadAt(b, at)
	}
	ctx, cancel := context.WithTimeout(context.Background(), textLimit)
	defer cancel()
	text, err := t.store.text(ctx, r.ID, r.Event.Revision)
	if _, parted := t.find(i); parted != nil {
		return parted.ReadAt(b, at) // what was read may be the next revision's
	}
	if err != nil {
		return 0, err
	}
	if at > int64(len(text)) {
		return 0, io.EOF
	}
	n := copy(b, text[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// stored returns where the text of an event is among those that Load has left in the
// store, and not been put elsewhere since.
func stored(e *event.Event) (t *storedTexts, n int, ok bool) {
	in, at := e.TextIn()
	if t, ok = in.(*storedTexts); !ok {
		return nil, 0, false
	}
	n = int(at / textSpan)
	_, parted := t.find(n)
	return t, n, parted == nil
}

// text reads the text of a revision of an event. Where another process may have written
// the next one, it fails with errOvertaken if that is so.
func (s *Store) text(ctx context.Context, entryID, revision string) ([]byte, error) {
	var record []byte
	if err := s.texts.QueryRowContext(ctx, `SELECT record FROM events WHERE entry_id = $1`, entryID).Scan(&record); err != nil {
		return nil, s.fault(err)
	}
	e, err := decodeUnsealed(record)
	if err != nil {
		return nil, s.fault(&CorruptError{Cause: fmt.Sprintf("the record of %s: %v", entryID, err)})
	}
	if s.Shared() {
		if e.Seal(); e.Revision != revision {
			return nil, errOvertaken
		}
	}
	return e.AppendText(nil), nil
}

// errOvertaken says that the text of an event is gone. Its next revision is shown at once.
var errOvertaken = errors.New("another process has written the event's next revision")

// fetched is how many texts are read at once.
const fetched = 500

// Fetch returns what has Options.Shelve take the texts that Load has left in PostgreSQL,
// so that they can be read when that is away; nil where they are in a file. It may be
// called by another goroutine, and where it fails again.
func (l *Ledger) Fetch(s *Store) func(context.Context) error {
	if s.postgres == nil {
		return nil
	}
	events := make(map[string]*event.Event, len(l.entries))
	for id, r := range l.entries {
		if _, _, ok := stored(r.Event); ok {
			events[id] = r.Event
		}
	}
	shelve := l.o.Shelve
	return func(ctx context.Context) error {
		for last, n := "", fetched; n == fetched; {
			n = 0
			err := Each(ctx, s.texts, `SELECT entry_id, record FROM events WHERE entry_id > $1 ORDER BY entry_id LIMIT $2`, []any{last, fetched}, func(scan func(...any) error) error {
				n++
				var record []byte
				if err := scan(&last, &record); err != nil {
					return err
				}
				light := events[last]
				if light == nil {
					return nil
				}
				e, err := decode(record)
				if err != nil || e.Revision != light.Revision {
					return nil // who asks for it is told; or there is another by now
				}
				if t, n, ok := stored(light); ok {
					t.part(n, shelve(e).Text())
				}
				delete(events, last)
				return nil
			})
			if err != nil {
				return s.fault(err)
			}
		}
		return nil
	}
}

// part puts the text of an event that is to be replaced where it stays.
func (l *Ledger) part(e *event.Event) {
	t, n, ok := stored(e)
	if !ok {
		return
	}
	full, err := e.Full()
	if err != nil {
		l.failed = err
		return
	}
	t.part(n, l.o.Shelve(full).Text())
}

// connectTexts opens the file once more: who reads a text does not wait for who writes.
func (s *Store) connectTexts() error {
	db, err := openReadOnly(s.path)
	if err != nil {
		return fmt.Errorf("store %s: %w", s.path, err)
	}
	db.SetMaxOpenConns(2)
	db.SetConnMaxIdleTime(time.Minute)
	s.texts = db
	return nil
}

func (s *Store) closeTexts() error {
	if s.texts == nil {
		return nil
	}
	return s.texts.Close()
}
