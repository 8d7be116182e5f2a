package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
)

// progress shows on a terminal how far a piece of work is that takes over a
// second. Elsewhere it shows nothing. It is safe for concurrent use.
type progress struct {
	w     io.Writer // nil: not a terminal
	what  string
	mu    sync.Mutex
	began time.Time
	shown time.Time
	ended bool
}

func (t *terminal) progress(what string) *progress {
	p := &progress{what: what}
	if f, ok := t.err.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		p.w = f
	}
	return p
}

// at says that done of all is done.
func (p *progress) at(done, all int) {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.began.IsZero() {
		p.began = now
	}
	if p.ended || now.Sub(p.began) < time.Second || now.Sub(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown = now
	fmt.Fprintf(p.w, "\r\x1b[K%s: %d of %d", p.what, done, all)
}

// end clears the line.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w != nil && !p.shown.IsZero() && !p.ended {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	p.ended = true
}
