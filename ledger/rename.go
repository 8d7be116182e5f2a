package ledger

import (
	"context"
	"database/sql"
	"maps"
	"slices"

	"tocsin/timeline"
)

// renameEvents is how many events have to trade one name for another, all of one
// turn, before it is taken for a new name and not for another thing.
const renameEvents = 2

// rename notes the tags and actors that were given another name: those that no
// public event has any more and that all events which had them traded, in this
// turn, for one and the same other. A name that is in use again is itself.
func (l *Ledger) rename(told []Told) {
	type trade struct {
		events int
		have   map[timeline.Topic]int // how many of the events have it now
		gained map[timeline.Topic]int // and did not before
	}
	trades := make(map[timeline.Topic]*trade)
	for _, t := range told {
		if len(l.renames) > 0 && t.Kind != timeline.Withdrawn {
			for _, topic := range timeline.Topics(t.Event) {
				if _, ok := l.renames[topic]; ok {
					delete(l.renames, topic)
					l.renamed[topic] = ""
				}
			}
		}
		if t.Kind != timeline.Updated && t.Kind != timeline.Withdrawn {
			continue
		}
		was, is := timeline.Topics(t.Change.Before), timeline.Topics(t.Event)
		for _, topic := range was {
			if t.Kind == timeline.Updated && slices.Contains(is, topic) {
				continue
			}
			tr := trades[topic]
			if tr == nil {
				tr = &trade{have: make(map[timeline.Topic]int), gained: make(map[timeline.Topic]int)}
				trades[topic] = tr
			}
			tr.events++
			if t.Kind == timeline.Withdrawn {
				continue // it gained nothing
			}
			for _, other := range is {
				if other.Kind != topic.Kind {
					continue
				}
				tr.have[other]++
				if !slices.Contains(was, other) {
					tr.gained[other]++
				}
			}
		}
	}
	maps.DeleteFunc(trades, func(_ timeline.Topic, tr *trade) bool { return tr.events < renameEvents })
	if len(trades) == 0 {
		return
	}
	for _, r := range l.public {
		for _, topic := range timeline.Topics(r.Event) {
			delete(trades, topic) // still in use
		}
	}
	for topic, tr := range trades {
		maps.DeleteFunc(tr.gained, func(other timeline.Topic, n int) bool { return n < renameEvents || tr.have[other] < tr.events })
		if len(tr.gained) != 1 {
			continue
		}
		for other := range tr.gained {
			l.renames[topic], l.renamed[topic] = other.Key, other.Key
		}
	}
}

// Renames returns the tags and actors that were given another name, with the one
// that they have now.
func (l *Ledger) Renames() map[timeline.Topic]timeline.Topic {
	all := make(map[timeline.Topic]timeline.Topic, len(l.renames))
	for topic, key := range l.renames {
		all[topic] = timeline.Topic{Kind: topic.Kind, Key: key}
	}
	return all
}

func (l *Ledger) writeRenames(ctx context.Context, tx *sql.Tx) error {
	for topic, key := range l.renamed {
		query, args := `INSERT INTO renames (kind, key, now) VALUES ($1, $2, $3)
			ON CONFLICT (kind, key) DO UPDATE SET now = excluded.now`, []any{topic.Kind, topic.Key, key}
		if key == "" {
			query, args = `DELETE FROM renames WHERE kind = $1 AND key = $2`, args[:2]
		}
		if _, err := tx.ExecContext(ctx, query, args...); err != nil {
			return err
		}
	}
	return nil
}
