package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Held is a withdrawal of so many events at once that it waits for them to be
// back, or for an operator to accept it. It is in the store, so that a command
// beside the daemon can read and accept it.
type Held struct {
	// Since is when it was first seen.
	Since time.Time `json:"since"`
	// Gone is how many events would be withdrawn, of so many public ones.
	Gone int `json:"gone"`
	Of   int `json:"of"`
	// Some are the first of their ids, in order.
	Some []string `json:"some"`
	// Digest stands for all of their ids: what is accepted is this and no other
	// withdrawal.
	Digest string `json:"digest"`
}

// someIDs is how many ids a Held names.
const someIDs = 20

// NewHeld describes the withdrawal of the events with the given ids.
func NewHeld(ids []string, of int, now time.Time) *Held {
	ids = slices.Sorted(slices.Values(ids))
	h := sha256.New()
	for _, id := range ids {
		fmt.Fprintf(h, "%d:%s", len(id), id)
	}
	return &Held{
		Since: now.UTC().Truncate(time.Second), Gone: len(ids), Of: of,
		Some: ids[:min(len(ids), someIDs)], Digest: hex.EncodeToString(h.Sum(nil)),
	}
}

// Keys of the table meta.
const (
	metaFirstLook = "first_look" // when the first look was entered
	metaHeld      = "held"       // a Held, as JSON
	metaAccepted  = "accepted"   // the digest of the Held that was accepted
	metaDevice    = "device"     // that of the events folder when events were last found in it
	metaReader    = "reader"     // whose marks of files there are
	metaCheckout  = "checkout"   // the checkout that all events were last compared with
)

// Held returns the withdrawal that is held; nil where there is none.
func (s *Store) Held(ctx context.Context) (*Held, error) {
	value, err := s.meta(ctx, metaHeld)
	if err != nil || value == "" {
		return nil, err
	}
	var h Held
	if err := json.Unmarshal([]byte(value), &h); err != nil {
		return nil, s.fault(&CorruptError{Cause: fmt.Sprintf("what is held: %v", err)})
	}
	return &h, nil
}

// Accepted reports whether an operator has accepted a withdrawal.
func (s *Store) Accepted(ctx context.Context, h *Held) (bool, error) {
	digest, err := s.meta(ctx, metaAccepted)
	return digest == h.Digest, err
}

// Hold notes that a withdrawal is held, in place of one that was.
func (s *Store) Hold(ctx context.Context, h *Held) error {
	value, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return s.setMeta(ctx, metaHeld, string(value))
}

// Accept accepts a withdrawal that is held.
func (s *Store) Accept(ctx context.Context, h *Held) error {
	return s.setMeta(ctx, metaAccepted, h.Digest)
}

// Release forgets what was held and accepted, in the caller's transaction.
func Release(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM meta WHERE key IN ($1, $2)`, metaHeld, metaAccepted); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// Device returns the device of the events folder as it was noted last; empty where
// it never was.
func (s *Store) Device(ctx context.Context) (string, error) { return s.meta(ctx, metaDevice) }

// NoteDevice notes the device of the events folder, in the caller's transaction.
func NoteDevice(ctx context.Context, tx *sql.Tx, device string) error {
	if _, err := tx.ExecContext(ctx, putMeta, metaDevice, device); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// Checkout names the checkout that all events were last compared with; empty where
// there was none.
func (s *Store) Checkout(ctx context.Context) (string, error) { return s.meta(ctx, metaCheckout) }

// NoteCheckout notes that all events are those of a checkout, in the caller's
// transaction.
func NoteCheckout(ctx context.Context, tx *sql.Tx, checkout string) error {
	if _, err := tx.ExecContext(ctx, putMeta, metaCheckout, checkout); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// Looked reports whether a first look was ever entered.
func (s *Store) Looked(ctx context.Context) (bool, error) {
	at, err := s.meta(ctx, metaFirstLook)
	return at != "", err
}

// putMeta enters the value of a key.
const putMeta = `INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value`

// meta returns the value of a key; empty where there is none.
func (s *Store) meta(ctx context.Context, key string) (string, error) {
	value, err := meta(ctx, s.db, key)
	if err != nil {
		return "", s.fault(err)
	}
	return value, nil
}

func meta(ctx context.Context, db Querier, key string) (value string, err error) {
	err = db.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = $1`, key).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, err
}

func (s *Store) setMeta(ctx context.Context, key, value string) error {
	_, err := s.db.ExecContext(ctx, putMeta, key, value)
	if err != nil {
		return s.fault(err)
	}
	return nil
}
