package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"tocsin/ledger"
)

// migrated is what migrate prints.
type migrated struct {
	From string `json:"from"`
	To   string `json:"to"`
	Rows int    `json:"rows"`
}

// migrate carries the state over to PostgreSQL.
func migrate(ctx context.Context, t *terminal, args []string) error {
	f := newFlags(t, "migrate", "[-config FILE] -to postgres://...",
		"Carries the state over to a PostgreSQL database: ids, dates and what waits to be\nsent. The daemon must not run. The old state stays as it is; until a daemon has had\nthe new one it can be carried over again.")
	f.withJSON()
	to := f.String("to", "", "the `ADDRESS` of the database; a password is better in PGPASSWORD, or in a file that\nPGPASSFILE names, as other users see the command line")
	if err := f.parseFlags(args); err != nil {
		return err
	}
	switch {
	case *to == "":
		return &usageError{msg: "where to? give -to postgres://USER@HOST/DATABASE"}
	case !ledger.IsURL(*to):
		return &usageError{msg: "-to is no address of PostgreSQL; write it like postgres://tocsin@db.example.org/tocsin"}
	}
	if fault := checkStore(*to); fault != "" {
		return &usageError{msg: "-to " + fault}
	}
	c, err := f.load()
	if err != nil {
		return err
	}
	from := c.Store.Reveal()
	if ledger.Name(from) == ledger.Name(*to) {
		return &usageError{msg: "the state is in " + ledger.Name(*to) + " already; the configuration has to name the old one"}
	}
	bar := t.progress("carrying rows over")
	rows, err := ledger.Carry(ctx, from, *to, bar.at)
	bar.end()
	if errors.Is(err, fs.ErrNotExist) {
		return noState(c)
	}
	if err != nil {
		return err
	}
	m := migrated{From: ledger.Name(from), To: ledger.Name(*to), Rows: rows}
	return f.print(m, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %d rows from %s; now write that address into the configuration as store, and start the daemon\n", m.To, m.Rows, m.From)
	})
}
