package outbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"tocsin/ledger"
	"tocsin/notify"
)

// State says where a delivery stands.
type State string

// The states.
const (
	// Waiting: to be sent, now or again later.
	Waiting State = "waiting"
	// Delivered: the sink took it.
	Delivered State = "delivered"
	// Failed: given up; Retry makes it wait again.
	Failed State = "failed"
	// Cancelled: not to be sent; Retry makes it wait again.
	Cancelled State = "cancelled"
)

// Record is a delivery as commands show it.
type Record struct {
	// Seq orders deliveries by when they were planned.
	Seq   int64       `json:"seq"`
	ID    string      `json:"id"`
	Sink  string      `json:"sink"`
	Type  notify.Type `json:"type"`
	Title string      `json:"title"`
	State State       `json:"state"`
	// Error says why a delivery failed, or why its last attempt did.
	Error   string    `json:"error,omitempty"`
	Created time.Time `json:"created"`
	// Next is when the next attempt is due. It is zero where none has been made:
	// then the delivery is sent as soon as it is its turn.
	Next time.Time `json:"next,omitzero"`
	// Held is until when it is held, and HeldFor for what; zero where it is not.
	Held    time.Time `json:"held_until,omitzero"`
	HeldFor string    `json:"held_for,omitempty"`
	// Behind is the id of the earlier delivery that it waits for, to the same sink and
	// about the same event; empty where it waits for none.
	Behind   string    `json:"behind,omitempty"`
	Finished time.Time `json:"finished,omitzero"`
	// Tries is the number of attempts.
	Tries int `json:"tries"`
	// Attempts and Message are given by Show alone.
	Attempts []Attempt      `json:"attempts,omitempty"`
	Message  notify.Message `json:"message,omitzero"`
}

// Attempt is one message handed to a sink, and what came of it.
type Attempt struct {
	// N counts from 1, over retries too.
	N    int           `json:"n"`
	At   time.Time     `json:"at"`
	Took time.Duration `json:"took_ns"`
	// Status is the HTTP status, 0 where none came; Answer the sink's words.
	Status int    `json:"status"`
	Answer string `json:"answer,omitempty"`
	// Error is empty where the sink took the message.
	Error string `json:"error,omitempty"`
}

// ErrNotFound says that there is no delivery of that id.
var ErrNotFound = errors.New("no such delivery")

// Filter selects deliveries.
type Filter struct {
	Sink  string // empty: all
	State string // empty: all
	Limit int    // 0: no limit
}

// What a delivery is held for.
const (
	Digest = "digest"
	Quiet  = "quiet hours"
)

// columns are what scan takes.
const columns = `d.seq, d.id, d.sink, d.type, d.title, d.state, d.error, d.created, coalesce(d.next, 0), coalesce(d.finished, 0),
	(SELECT count(*) FROM attempts a WHERE a.delivery = d.seq),
	CASE WHEN d.state = 'waiting' THEN coalesce(d.held, 0) ELSE 0 END, coalesce(d.together, 0),
	CASE WHEN d.state = 'waiting' AND d.held IS NULL THEN coalesce((SELECT e.id ` + earlier + ` ORDER BY e.seq DESC LIMIT 1), '') ELSE '' END`

// scan reads columns, and what follows them into more.
func scan(row interface{ Scan(...any) error }, more ...any) (Record, error) {
	var r Record
	var created, next, finished, held int64
	var together bool
	err := row.Scan(append([]any{&r.Seq, &r.ID, &r.Sink, &r.Type, &r.Title, &r.State, &r.Error,
		&created, &next, &finished, &r.Tries, &held, &together, &r.Behind}, more...)...)
	r.Created, r.Next, r.Finished, r.Held = fromMicro(created), fromMicro(next), fromMicro(finished), fromMicro(held)
	if held != 0 {
		r.HeldFor = Quiet
		if together {
			r.HeldFor = Digest
		}
	}
	return r, err
}

// fromMicro is the time of a column; 0 stands for none.
func fromMicro(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// List returns the deliveries that f selects, newest first.
func List(ctx context.Context, s *ledger.Store, f Filter) (_ []Record, err error) {
	switch State(f.State) {
	case "", Waiting, Delivered, Failed, Cancelled:
	default:
		return nil, fmt.Errorf("unknown state %q: use %s, %s, %s or %s", f.State, Waiting, Delivered, Failed, Cancelled)
	}
	limit := math.MaxInt
	if f.Limit > 0 {
		limit = f.Limit
	}
	rows, err := s.DB().QueryContext(ctx, `SELECT `+columns+` FROM deliveries d
		WHERE ($1 = '' OR d.sink = $1) AND ($2 = '' OR d.state = $2) ORDER BY d.seq DESC LIMIT $3`, f.Sink, f.State, limit)
	if err != nil {
		return nil, fmt.Errorf("deliveries: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var list []Record
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("deliveries: %w", err)
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

// Show returns one delivery with its attempts and its message. The error is
// ErrNotFound where there is none of that id.
func Show(ctx context.Context, s *ledger.Store, id string) (_ Record, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("delivery %s: %w", id, err)
		}
	}()
	// One snapshot for the row and its attempts.
	tx, err := s.DB().BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return Record{}, err
	}
	defer func() { _ = tx.Rollback() }()
	var body []byte
	r, err := scan(tx.QueryRowContext(ctx, `SELECT `+columns+`, d.message FROM deliveries d WHERE d.id = $1`, id), &body)
	if errors.Is(err, sql.ErrNoRows) {
		return Record{}, ErrNotFound
	}
	if err != nil {
		return Record{}, err
	}
	if err := json.Unmarshal(body, &r.Message); err != nil {
		return Record{}, fmt.Errorf("its message: %w", err)
	}
	err = ledger.Each(ctx, tx, `SELECT n, at, took, status, answer, error FROM attempts WHERE delivery = $1 ORDER BY n`, []any{r.Seq}, func(scan func(...any) error) error {
		var a Attempt
		var at, took int64
		err := scan(&a.N, &at, &took, &a.Status, &a.Answer, &a.Error)
		a.At, a.Took = fromMicro(at), time.Duration(took)*time.Microsecond
		r.Attempts = append(r.Attempts, a)
		return err
	})
	return r, err
}
