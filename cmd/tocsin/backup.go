package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"tocsin/ledger"
)

// backedUp is what backup prints.
type backedUp struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
}

// backup copies the state, beside the daemon or without it.
func backup(ctx context.Context, t *terminal, args []string) error {
	f := newFlags(t, "backup", "[-config FILE] FILE",
		"Copies the state into a new file, as it is at one moment, also while the daemon\nruns. The copy is checked, and is on the disk when the command is done.")
	f.withJSON()
	rest, err := f.parse(args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return &usageError{msg: "where to? give the name of one new file"}
	}
	to := rest[0]
	c, err := f.load()
	if err != nil {
		return err
	}
	if ledger.IsURL(c.Store.Reveal()) {
		return fmt.Errorf("the state is in %s: use PostgreSQL's own, such as pg_dump --format=custom --file=%s", ledger.Name(c.Store.Reveal()), to)
	}
	if _, err := os.Stat(c.Store.Reveal()); errors.Is(err, fs.ErrNotExist) {
		return noState(c)
	}
	err = ledger.Backup(ctx, c.Store.Reveal(), to)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there, and is left as it is; give the name of a new file", to)
	}
	if err != nil {
		return err
	}
	fi, err := os.Stat(to)
	if err != nil {
		return err
	}
	b := backedUp{File: to, Bytes: fi.Size()}
	return f.print(b, func(w io.Writer) { fmt.Fprintf(w, "%s: %d bytes\n", b.File, b.Bytes) })
}
