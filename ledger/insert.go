package ledger

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"
)

// inserter inserts rows into a table, several with one statement: with one each, the
// round trips take most of the time of PostgreSQL, and a quarter of that of SQLite. What
// add was given last is written by flush.
type inserter struct {
	tx       *sql.Tx
	numbered bool   // parameters are $1, $2, …, as PostgreSQL wants them
	into     string // the table and its columns
	conflict string // what to do with a row that is there; empty: fail
	columns  int

	many *sql.Stmt // of groupRows rows; nil until there are so many
	args []any     // of the rows that wait
}

// groupRows is how many rows one statement inserts.
const groupRows = 32

// newInserter inserts into a table of a state in PostgreSQL, or else in a file.
func newInserter(tx *sql.Tx, postgres bool, table string, columns []string) *inserter {
	return &inserter{tx: tx, numbered: postgres, into: table + " (" + strings.Join(columns, ", ") + ")", columns: len(columns)}
}

// newUpserter is newInserter of a table with a key: a row whose key is there gets the new
// values of columns.
func newUpserter(tx *sql.Tx, postgres bool, table, key string, columns ...string) *inserter {
	var set []string
	for _, c := range columns {
		set = append(set, c+" = excluded."+c)
	}
	in := newInserter(tx, postgres, table, append([]string{key}, columns...))
	in.conflict = " ON CONFLICT (" + key + ") DO UPDATE SET " + strings.Join(set, ", ")
	return in
}

// add inserts a row, now or later.
func (in *inserter) add(ctx context.Context, row ...any) (err error) {
	in.args = append(in.args, row...)
	if len(in.args) < groupRows*in.columns {
		return nil
	}
	if in.many == nil {
		if in.many, err = in.tx.PrepareContext(ctx, in.query(groupRows)); err != nil {
			return err
		}
	}
	_, err = in.many.ExecContext(ctx, in.args...)
	clear(in.args) // which may be long
	in.args = in.args[:0]
	return err
}

// flush inserts the rows that wait, and ends the inserter.
func (in *inserter) flush(ctx context.Context) error {
	if in.many != nil {
		defer in.many.Close()
	}
	if len(in.args) == 0 {
		return nil
	}
	_, err := in.tx.ExecContext(ctx, in.query(len(in.args)/in.columns), in.args...)
	return err
}

// query is the statement that inserts so many rows. SQLite looks up each parameter that
// has a number by going through all, so that there they have none.
func (in *inserter) query(rows int) string {
	parameters := slices.Repeat([]string{"?"}, rows*in.columns)
	if in.numbered {
		parameters = numbers(rows * in.columns)
	}
	var values []string
	for row := range slices.Chunk(parameters, in.columns) {
		values = append(values, "("+strings.Join(row, ", ")+")")
	}
	return "INSERT INTO " + in.into + " VALUES " + strings.Join(values, ", ") + in.conflict
}

// numbers are the parameters $1 to $n.
func numbers(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = "$" + strconv.Itoa(i+1)
	}
	return all
}
