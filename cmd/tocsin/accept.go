package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"tocsin/ledger"
)

// acceptance is what accept prints.
type acceptance struct {
	// Withdrawn is what was held; absent where a state was begun anew.
	Withdrawn *ledger.Held `json:"withdrawn,omitempty"`
	// Anew is the path of a state that was begun anew.
	Anew string `json:"anew,omitempty"`
}

// accept says yes to what tocsin does not do by itself: to withdraw most of the
// events at once, and to begin anew where a damaged state was set aside.
func accept(ctx context.Context, t *terminal, args []string) error {
	f := newFlags(t, "accept", "[-config FILE]",
		"Accepts what tocsin holds and does not do by itself: the withdrawal of most of the\nevents at once, or a new state in place of a damaged one that was set aside.\n-n shows what it is.")
	f.withJSON()
	dry := f.Bool("n", false, "only show what is held")
	if err := f.parseFlags(args); err != nil {
		return err
	}
	c, err := f.load()
	if err != nil {
		return err
	}
	store, err := ledger.OpenShared(ctx, c.Store.Reveal())
	if errors.Is(err, fs.ErrNotExist) {
		return f.acceptAnew(ctx, c.Store.Reveal(), *dry)
	}
	if err != nil {
		return err
	}
	defer store.Close()
	held, err := store.Held(ctx)
	if err != nil {
		return err
	}
	if held == nil {
		return errors.New("nothing is held")
	}
	if !*dry {
		if err := store.Accept(ctx, held); err != nil {
			return err
		}
	}
	return f.print(acceptance{Withdrawn: held}, func(w io.Writer) {
		fmt.Fprintf(w, "%d of %d events are gone since %s:\n", held.Gone, held.Of, when(held.Since))
		for _, id := range held.Some {
			fmt.Fprintf(w, "  %s\n", id)
		}
		if more := held.Gone - len(held.Some); more > 0 {
			fmt.Fprintf(w, "  and %d more\n", more)
		}
		if !*dry {
			fmt.Fprintln(w, "accepted: the daemon withdraws them now, or when it starts, unless others are gone by then")
		}
	})
}

// acceptAnew begins a new state where a damaged one was set aside.
func (f *flags) acceptAnew(ctx context.Context, at string, dry bool) error {
	store, err := ledger.Open(ctx, at)
	if err == nil {
		store.Close()
		return errors.New("nothing is held")
	}
	if !errors.Is(err, ledger.ErrSetAside) || dry {
		return err
	}
	if store, err = ledger.OpenAnew(ctx, at); err != nil {
		return err
	}
	if err := store.Close(); err != nil {
		return err
	}
	return f.print(acceptance{Anew: ledger.Name(at)}, func(w io.Writer) {
		fmt.Fprintf(w, "%s begins anew: all that the next look finds counts as known and is told to nobody\n", ledger.Name(at))
	})
}
