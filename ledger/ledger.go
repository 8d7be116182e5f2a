// Package ledger keeps what the world has been told: for each event the entry
// id that was minted for it, when it was first seen and last changed, and the
// event as it was last told; the slugs of tags and actors; the validators of
// feeds. After a restart the difference between the ledger and the folder is
// what happened meanwhile.
//
// Store is the state file, Ledger its content in memory. Load reads all of it;
// Apply enters changes and SetFeed validators into memory and notes the rows
// that they make; Write writes those rows in the caller's transaction, together
// with the deliveries that tell of the changes. A Ledger whose transaction
// failed is ahead of its store: it is thrown away and loaded again.
//
// # Several processes
//
// A store in PostgreSQL may be shared ([Join]). One process leads: it alone writes the
// ledger, from its own checkout of the folder ([Store.Attend], [Store.Write]). The others
// [Ledger.Follow] what it writes, and show nothing else, so that all show the same bytes.
//
// The checkouts are brought up to date at different times. When another process comes to
// lead, its folder may have what the ledger has left behind. That is lag and no edit, and
// nobody is told of it, as long as
//
//   - the folder has not been where the ledger is, for all that is known, and
//   - what it has is an old state that the ledger knows, or it has not the file, and
//   - it has not stayed so for longer than it is waited for.
//
// [Lag] has the rule in full, and its limits.
package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"maps"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/event"
	"tocsin/timeline"
)

// Validators stand for the bytes of one feed, in all its formats.
type Validators struct {
	// Name is the name of the tag or actor; empty for other feeds.
	Name string
	// Digest stands for all that the bytes are made from.
	Digest string
	// Modified is when the bytes last changed, in whole seconds, growing by at
	// least one (HTTP's Last-Modified).
	Modified time.Time
	// Updated is the last significant change of the feed; it never goes back.
	Updated time.Time
	// Emptied is when the feed of a tag or actor lost its last event; zero while it
	// has any.
	Emptied time.Time
}

// Options are the rules by which a ledger mints and dates.
type Options struct {
	// Authority is that of the tag: URIs, such as example.org,2025.
	Authority string
	// Significant names the fields whose change moves Updated.
	Significant []event.Field
	// Corrections names the fields whose change gets an entry of its own;
	// CorrectWithdrawn gives one to each withdrawal.
	Corrections      []event.Field
	CorrectWithdrawn bool
	// Reader names all that decides how a file is read: what another knew of the files
	// says nothing ([Ledger.Marks]).
	Reader string
	// Shelve, if not nil, takes the texts of events out of memory. Those that are in the
	// store are then left there, which is to stay open as long as anybody reads them.
	Shelve func(*event.Event) *event.Event
	// Progress, if not nil, is called as rows are read and written, and changes are
	// entered.
	Progress func()
}

// Ledger is the content of a store. It is used by one goroutine.
type Ledger struct {
	o         Options
	public    map[string]*timeline.Record   // by event id
	withdrawn map[string][]*timeline.Record // by event id, the last withdrawn one last
	entries   map[string]*timeline.Record   // by entry id
	moves     map[string]string             // old event id to entry id
	slugs     *timeline.Slugs
	feeds     map[string]Validators
	renames   map[timeline.Topic]string // to the key that they have now
	first     bool
	last      time.Time // the newest Updated of all

	shared bool  // other processes may write the store, too
	turn   int64 // the last transaction that is in here, where it is shared

	corrections []*Correction   // the oldest first
	taken       map[string]bool // entry ids of corrections, and of what this process minted

	// Rows to be written.
	changed      map[string]*timeline.Record
	moved        map[string]string // old id to entry id; "" deletes
	given        map[timeline.Topic]string
	changedFeeds map[string]Validators
	past         []pastRow
	superseded   []pastState
	now          time.Time                 // of the last Apply
	written      int64                     // the turn that they are, once Write has written them
	renamed      map[timeline.Topic]string // "" deletes
	looked       time.Time
	unbrief      bool                     // the briefs of all events are to be written, too
	marks        map[string]timeline.Mark // by event id; nil deletes

	read []fileMark // for Marks

	failed error // why Write fails; nil: it does not
}

// Load reads the ledger of a store.
func Load(ctx context.Context, s *Store, o Options) (*Ledger, error) {
	if o.Progress == nil {
		o.Progress = func() {}
	}
	l := &Ledger{
		o:         o,
		public:    make(map[string]*timeline.Record),
		withdrawn: make(map[string][]*timeline.Record),
		entries:   make(map[string]*timeline.Record),
		moves:     make(map[string]string),
		feeds:     make(map[string]Validators),
		renames:   make(map[timeline.Topic]string),
		taken:     make(map[string]bool),
	}
	l.begin()
	if err := s.Snapshot(ctx, func(q Querier) error { return l.load(ctx, s, q) }); err != nil {
		return nil, s.fault(err)
	}
	return l, nil
}

func (l *Ledger) load(ctx context.Context, s *Store, db Querier) (err error) {
	if l.shared = s.Shared(); l.shared {
		if l.turn, err = s.turn(ctx, db); err != nil {
			return err
		}
	}
	if err := l.loadAll(ctx, s, db); err != nil {
		return err
	}
	if err := l.loadHistory(ctx, db); err != nil {
		return err
	}
	if err := l.loadMoves(ctx, db, "true"); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	given := make(map[timeline.Topic]string)
	err = Each(ctx, db, `SELECT kind, key, slug FROM slugs`, nil, func(scan func(...any) error) error {
		var t timeline.Topic
		var slug string
		err := scan(&t.Kind, &t.Key, &slug)
		given[t] = slug
		return err
	})
	if err != nil {
		return err
	}
	l.slugs = timeline.NewSlugs(given)
	if err := l.loadRenames(ctx, db); err != nil {
		return err
	}
	if err := l.loadFeeds(ctx, db, "true"); err != nil {
		return err
	}
	looked, err := meta(ctx, db, metaFirstLook)
	l.first = looked == ""
	return err
}

// The parts of a ledger that are read again where they have changed take a condition
// with its arguments.

func (l *Ledger) loadMoves(ctx context.Context, db Querier, which string, args ...any) error {
	return Each(ctx, db, `SELECT old_id, entry_id FROM moves WHERE `+which, args, func(scan func(...any) error) error {
		var old, entry string
		err := scan(&old, &entry)
		l.moves[old] = entry
		return err
	})
}

func (l *Ledger) loadRenames(ctx context.Context, db Querier) error {
	return Each(ctx, db, `SELECT kind, key, now FROM renames`, nil, func(scan func(...any) error) error {
		var t timeline.Topic
		var key string
		err := scan(&t.Kind, &t.Key, &key)
		l.renames[t] = key
		return err
	})
}

func (l *Ledger) loadFeeds(ctx context.Context, db Querier, which string, args ...any) error {
	return Each(ctx, db, `SELECT path, name, digest, modified, updated, coalesce(emptied, 0) FROM feeds WHERE `+which, args, func(scan func(...any) error) error {
		var path string
		var v Validators
		var modified, updated, emptied int64
		err := scan(&path, &v.Name, &v.Digest, &modified, &updated, &emptied)
		v.Modified, v.Updated = fromMicro(modified), fromMicro(updated)
		if emptied != 0 {
			v.Emptied = fromMicro(emptied)
		}
		l.feeds[path] = v
		return err
	})
}

// loadAll reads all events: their briefs, where texts can stay in the store.
func (l *Ledger) loadAll(ctx context.Context, s *Store, db Querier) error {
	if l.o.Shelve == nil {
		l.o.Shelve = func(e *event.Event) *event.Event { return e }
		return l.loadEvents(ctx, db, "true")
	}
	reader, err := meta(ctx, db, metaReader)
	if err != nil {
		return err
	}
	records, err := l.loadBriefs(ctx, s, db, reader == l.o.Reader)
	if errors.Is(err, errForm) {
		l.unbrief, l.read = true, nil
		return l.loadEvents(ctx, db, "true")
	}
	if err != nil {
		return err
	}
	l.entries, l.public = make(map[string]*timeline.Record, len(records)), make(map[string]*timeline.Record, len(records))
	for _, r := range records {
		l.hold(r)
	}
	return nil
}

// loadBriefs reads the briefs of all events, and the marks of their files where these say
// anything. Reading rows and what is in them are work for a core each. The error is
// errForm where one has to be made again.
func (l *Ledger) loadBriefs(ctx context.Context, s *Store, db Querier, marked bool) (records []*timeline.Record, err error) {
	const together = 64 << 10 // bytes
	type batch struct {
		rows []byte   // briefs and marks
		ends [][2]int // of each of the two
	}
	reading, stopped := errgroup.WithContext(ctx) // what is read from goes on
	const waiting = 4
	batches, used := make(chan batch, waiting), make(chan batch, waiting+2)
	reading.Go(func() error {
		defer close(batches)
		b := batch{rows: make([]byte, 0, 2*together)}
		send := func() error {
			select {
			case batches <- b:
			case <-stopped.Done():
				return stopped.Err()
			}
			select {
			case b = <-used:
			default:
				b = batch{rows: make([]byte, 0, 2*together)}
			}
			return nil
		}
		err := Each(ctx, db, `SELECT brief, mark FROM briefs`, nil, func(scan func(...any) error) error {
			var brief, mark sql.RawBytes
			if err := scan(&brief, &mark); err != nil {
				return err
			}
			b.rows = append(b.rows, brief...)
			end := len(b.rows)
			b.rows = append(b.rows, mark...)
			b.ends = append(b.ends, [2]int{end, len(b.rows)})
			l.o.Progress()
			if len(b.rows) < together {
				return nil
			}
			return send()
		})
		if err != nil {
			return err
		}
		return send()
	})
	reading.Go(func() error {
		d := newBriefs(s)
		for b := range batches {
			begin := 0
			for _, end := range b.ends {
				r, err := d.read(b.rows[begin:end[0]])
				if errors.Is(err, errForm) {
					return err
				}
				if err != nil {
					return &CorruptError{Cause: fmt.Sprintf("the brief %d of an event: %v", len(records)+1, err)}
				}
				records = append(records, r)
				if mark := b.rows[end[0]:end[1]]; marked && len(mark) > 0 && r.Withdrawn.IsZero() {
					l.read = append(l.read, fileMark{r.Event, d.keep(mark)})
				}
				begin = end[1]
			}
			used <- batch{b.rows[:0], b.ends[:0]} // it has room for all that there are
		}
		return nil
	})
	err = reading.Wait()
	return records, err
}

// loadEvents reads the records of the events that a condition selects. Reading rows and decoding them are work
// for a core each.
func (l *Ledger) loadEvents(ctx context.Context, db Querier, which string, args ...any) error {
	const together = 256
	type row struct {
		record *timeline.Record
		event  []byte
	}
	var all [][]row
	var batch []row
	decoding, ctx := errgroup.WithContext(ctx)
	decoding.SetLimit(runtime.GOMAXPROCS(0))
	decode := func() {
		rows := batch
		all, batch = append(all, rows), nil
		decoding.Go(func() error {
			for i := range rows {
				r := &rows[i]
				e, err := l.decode(r.event)
				if err != nil {
					return &CorruptError{Cause: fmt.Sprintf("the record of %s: %v", r.record.ID, err)}
				}
				r.record.Event, r.event = e, nil
			}
			return nil
		})
	}
	err := Each(ctx, db, `SELECT entry_id, published, updated, coalesce(withdrawn, 0), record FROM events WHERE `+which, args, func(scan func(...any) error) error {
		var r timeline.Record
		var published, updated, withdrawn int64
		var body []byte
		if err := scan(&r.ID, &published, &updated, &withdrawn, &body); err != nil {
			return err
		}
		r.Published, r.Updated = fromMicro(published), fromMicro(updated)
		if withdrawn != 0 {
			r.Withdrawn = fromMicro(withdrawn)
		}
		if batch = append(batch, row{&r, body}); len(batch) == together {
			decode()
		}
		l.o.Progress()
		return nil
	})
	decode()
	if failed := decoding.Wait(); failed != nil {
		return failed // and not that reading was given up for it
	}
	if err != nil {
		return err
	}
	for _, rows := range all {
		for _, r := range rows {
			l.hold(r.record)
		}
	}
	return nil
}

// Querier is a database or a transaction.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Snapshot runs f, which reads the state as it is at one moment.
func (s *Store) Snapshot(ctx context.Context, f func(Querier) error) error {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	return f(tx)
}

// Each calls f for each row of a query, until f fails.
func Each(ctx context.Context, q Querier, query string, args []any, f func(scan func(...any) error) error) (err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// decode reads an event whose text is elsewhere.
func (l *Ledger) decode(data []byte) (*event.Event, error) {
	e, err := decode(data)
	if err != nil {
		return nil, err
	}
	return l.o.Shelve(e), nil
}

// hold puts r where it is found, and takes the record that it replaces away.
func (l *Ledger) hold(r *timeline.Record) {
	if old := l.entries[r.ID]; old != nil {
		if l.public[old.Event.ID] == old {
			delete(l.public, old.Event.ID)
		}
		l.withdrawn[old.Event.ID] = slices.DeleteFunc(l.withdrawn[old.Event.ID], func(r *timeline.Record) bool { return r == old })
		if len(l.withdrawn[old.Event.ID]) == 0 {
			delete(l.withdrawn, old.Event.ID)
		}
	}
	l.entries[r.ID] = r
	if r.Withdrawn.IsZero() {
		l.public[r.Event.ID] = r
	} else {
		l.withdrawn[r.Event.ID] = append(l.withdrawn[r.Event.ID], r)
		slices.SortFunc(l.withdrawn[r.Event.ID], func(a, b *timeline.Record) int {
			return cmp.Or(a.Withdrawn.Compare(b.Withdrawn), cmp.Compare(a.ID, b.ID))
		})
	}
	if r.Updated.After(l.last) {
		l.last = r.Updated
	}
}

// First says that no look was ever entered: all that is found is known from
// then on and told to nobody.
func (l *Ledger) First() bool { return l.first }

// Told returns the event with the given id as the world knows it; nil where it
// knows none or it is withdrawn.
func (l *Ledger) Told(id string) *event.Event {
	if r := l.public[id]; r != nil {
		return r.Event
	}
	return nil
}

// Len returns the number of public events.
func (l *Ledger) Len() int { return len(l.public) }

// Public returns the records of all public events, in no order.
func (l *Ledger) Public() iter.Seq[*timeline.Record] { return maps.Values(l.public) }

// Moved returns the present id of an event that had the given id once; empty
// where that event is withdrawn.
func (l *Ledger) Moved(id string) (now string, ok bool) {
	r := l.entries[l.moves[id]]
	switch {
	case r == nil || l.public[id] != nil:
		return "", false
	case !r.Withdrawn.IsZero():
		return "", true // another may have its last id
	}
	return r.Event.ID, true
}

// Slug returns the slug of a topic that Apply has seen.
func (l *Ledger) Slug(t timeline.Topic) string { return l.slugs.Slug(t) }

// Slugs returns the slugs of all topics that there ever were.
func (l *Ledger) Slugs() map[timeline.Topic]string { return l.slugs.All() }

// Feed returns the validators of a feed; zero where it is new.
func (l *Ledger) Feed(path string) Validators { return l.feeds[path] }

// Feeds returns all feeds that there ever were.
func (l *Ledger) Feeds() iter.Seq2[string, Validators] { return maps.All(l.feeds) }

// SetFeed enters the digest of a feed and returns its validators: Modified and
// Updated unchanged where the digest is. updated is the newest Updated of its
// entries; empty says that it is a topic's and has no event.
func (l *Ledger) SetFeed(path, name, digest string, updated time.Time, empty bool, now time.Time) Validators {
	before, known := l.feeds[path]
	now = now.UTC().Truncate(time.Second)
	v := before
	if !known || v.Digest != digest {
		v.Name, v.Digest, v.Modified = name, digest, now
		if least := before.Modified.Add(time.Second); v.Modified.Before(least) {
			v.Modified = least
		}
		if updated.After(v.Updated) {
			v.Updated = updated
		}
	}
	switch {
	case !empty:
		v.Emptied = time.Time{}
	case v.Emptied.IsZero():
		v.Emptied = now
	}
	if v != before || !known {
		l.feeds[path], l.changedFeeds[path] = v, v
	}
	return v
}

// begin begins without rows to be written.
func (l *Ledger) begin() {
	l.changed = make(map[string]*timeline.Record)
	l.moved = make(map[string]string)
	l.given = make(map[timeline.Topic]string)
	l.changedFeeds = make(map[string]Validators)
	l.renamed = make(map[timeline.Topic]string)
	l.past, l.superseded, l.looked, l.written, l.unbrief, l.marks = nil, nil, time.Time{}, 0, false, nil
}

// Told is one change with what the world knew before and knows now.
type Told struct {
	timeline.Change
	Before, After *timeline.Record // Before is nil where it knew nothing
}

// Apply enters changes, as of now: mints entry ids, gives dates and slugs. It
// returns them in their order. What cannot be read of them makes Write fail.
func (l *Ledger) Apply(changes []timeline.Change, now time.Time) []Told {
	now = now.UTC().Truncate(time.Second)
	l.now = now
	stamps := l.stamps(changes, now)
	told := make([]Told, len(changes))
	for i, c := range changes {
		l.o.Progress()
		var before *timeline.Record
		if c.Before != nil {
			before = l.public[c.Before.ID]
		} else if of := l.withdrawn[c.Event.ID]; len(of) > 0 {
			before = of[len(of)-1]
		}
		after := &timeline.Record{Event: c.Event, Published: stamps[i], Updated: stamps[i]}
		if before != nil {
			l.part(before.Event)
			after.ID, after.Published, after.Updated = before.ID, before.Published, before.Updated
			after.History = before.History
		}
		switch c.Kind {
		case timeline.New, timeline.Copied:
			if before == nil {
				after.ID = l.mint(c.Event.ID)
				if p := c.Event.Published; !p.IsZero() {
					after.Published = clamp(p.Time(), now)
				}
			}
			after.Updated = stamps[i]
		case timeline.Updated:
			if slices.ContainsFunc(c.Fields, l.significant) {
				after.Updated = stamps[i]
			}
		case timeline.Withdrawn:
			after.Withdrawn = now
		}
		told[i] = Told{Change: c, Before: before, After: after}
		if before != nil && before.Withdrawn.IsZero() && (c.Kind == timeline.Withdrawn || stateOf(before.Event) != stateOf(c.Event)) {
			l.superseded = append(l.superseded, stateOf(before.Event))
		}
	}
	// All old ids are entered before any is public again: events may swap.
	for _, t := range told {
		if t.Before != nil && t.Before.Event.ID != t.After.Event.ID {
			l.move(t.Before.Event.ID, t.After.ID)
		}
	}
	for _, t := range told {
		l.hold(t.After)
		l.changed[t.After.ID] = t.After
		if _, ok := l.moves[t.After.Event.ID]; ok && t.Kind != timeline.Withdrawn {
			l.move(t.After.Event.ID, "")
		}
	}
	l.remember(told, stamps, now)
	maps.Copy(l.given, l.slugs.Give(topics(changes)))
	l.rename(told)
	if l.first {
		l.first, l.looked = false, now
	}
	return told
}

// topics returns those of the events of changes, those of each spelling once: a first
// look's many events have few.
func topics(changes []timeline.Change) (all []timeline.Topic) {
	tags, actors := make(map[string]bool), make(map[string]bool) // as they are spelt
	add := func(kind timeline.TopicKind, seen map[string]bool, names []string) {
		for _, name := range names {
			if !seen[name] {
				seen[name] = true
				all = append(all, timeline.Topic{Kind: kind, Key: event.Key(name)})
			}
		}
	}
	for _, c := range changes {
		add(timeline.Tag, tags, c.Event.Tags)
		add(timeline.Actor, actors, c.Event.Actors)
	}
	return all
}

func (l *Ledger) significant(f event.Field) bool { return slices.Contains(l.o.Significant, f) }

func (l *Ledger) move(oldID, entryID string) {
	if entryID == "" {
		delete(l.moves, oldID)
	} else {
		l.moves[oldID] = entryID
	}
	l.moved[oldID] = entryID
}

// mint makes an entry id, which nothing else has, from an event id: ASCII, by RFC 4151 section 2.1.
func (l *Ledger) mint(id string) string {
	entry := "tag:" + l.o.Authority + ":" + tagEscape(id)
	for n, base := 2, entry; l.entries[entry] != nil || l.taken[entry]; n++ {
		entry = fmt.Sprintf("%s~%d", base, n)
	}
	l.taken[entry] = true
	return entry
}

// tagEscape escapes what RFC 3986's pchar (section 3.3) does not hold, but for
// the slash.
func tagEscape(id string) string {
	parts := strings.Split(id, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

// earliest is the first time that feed readers believe; the W3C's validator
// calls anything before it implausible.
var earliest = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)

func clamp(t, now time.Time) time.Time {
	if t.Before(earliest) {
		return earliest
	}
	if t.After(now) {
		return now
	}
	return t.UTC()
}

// stamps returns a time for each change, no two of them equal, so that a feed
// has one order, and behind each that is corrected room for the correction. On the first look it is the file's own last_updated or published,
// whichever is later, else the event's date; later it is now, behind everything told before, and a turn's
// events follow one another in the order of their dates.
func (l *Ledger) stamps(changes []timeline.Change, now time.Time) []time.Time {
	order := make([]int, len(changes))
	stamps := make([]time.Time, len(changes))
	for i, c := range changes {
		order[i] = i
		own := c.Event.LastUpdated.Time()
		if published := c.Event.Published.Time(); own.Before(published) {
			own = published // nothing changes before it is published
		}
		switch {
		case !l.first:
			stamps[i] = now
		case !own.IsZero():
			stamps[i] = clamp(own, now)
		default:
			// Without a time of day: one of its own within the day, the same
			// wherever the event is read.
			t := clamp(c.Event.Date.UTC(), now)
			if !c.Event.Date.Clock {
				h := fnv.New32a()
				h.Write([]byte(c.Event.ID))
				t = clamp(t.Add(time.Duration(h.Sum32()%86400)*time.Second), now)
			}
			stamps[i] = t
		}
	}
	slices.SortFunc(order, func(i, j int) int {
		a, b := changes[i].Event, changes[j].Event
		return cmp.Or(stamps[i].Compare(stamps[j]), a.Date.Compare(b.Date.Time), cmp.Compare(a.ID, b.ID))
	})
	last := time.Time{}
	if !l.first {
		last = l.last
	}
	for _, i := range order {
		if !stamps[i].After(last) {
			stamps[i] = last.Add(time.Millisecond)
		}
		last = stamps[i]
		if l.corrects(changes[i]) {
			last = last.Add(correctionDelay)
		}
	}
	return stamps
}

func fromMicro(n int64) time.Time { return time.UnixMicro(n).UTC() }

// Moves returns the present ids of events that moved, by each id that they had
// before; empty where the event is withdrawn. entries selects by entry ids; nil
// selects all.
func (l *Ledger) Moves(entries map[string]bool) map[string]string {
	all := make(map[string]string)
	for old, entry := range l.moves {
		if entries != nil && !entries[entry] {
			continue
		}
		if id, ok := l.Moved(old); ok {
			all[old] = id
		}
	}
	return all
}

// WithdrawnIDs returns the ids under which events were withdrawn and none is
// public now.
func (l *Ledger) WithdrawnIDs() []string {
	var ids []string
	for id := range l.withdrawn {
		if l.public[id] == nil {
			ids = append(ids, id)
		}
	}
	return ids
}
