package config

import (
	"fmt"
	"strings"
)

// Error is one fault of a configuration. All errors of this package are, or
// join, values of this type: errors.As with an *Error finds the first.
type Error struct {
	Path string // the file, as it was named; empty if there is none
	Line int    // the line in it, from 1; 0 if the fault has none
	Key  string // such as notify.sinks[0].rate; empty if the fault is in no key
	Msg  string // what is wrong; what to do

	err error // what the operating system said, if it did
}

// Error returns path:line: key: message, without the parts that are not set.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Path != "" {
		b.WriteString(e.Path + ":")
		if e.Line > 0 {
			fmt.Fprintf(&b, "%d:", e.Line)
		}
		b.WriteByte(' ')
	}
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Msg)
	return b.String()
}

// Unwrap returns what the operating system said when a file could not be read,
// so that errors.Is finds fs.ErrNotExist and the like.
func (e *Error) Unwrap() error { return e.err }
