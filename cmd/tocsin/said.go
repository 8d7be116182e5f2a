package main

import (
	"log/slog"
	"strings"
	"sync"
	"time"
)

// said remembers what was logged, so that what lasts is not logged at every try.
// Its zero value is of use.
type said struct {
	mu sync.Mutex
	at map[string]time.Time
}

// news reports whether text has not been said for cryAgain.
func (s *said) news(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.at[text]; ok && time.Since(at) < cryAgain {
		return false
	}
	if s.at == nil || len(s.at) >= 1000 { // whatever they are, they are no repetitions
		s.at = make(map[string]time.Time)
	}
	s.at[text] = time.Now()
	return true
}

// httpLog takes the lines of net/http, which says every second that it cannot
// accept a connection for want of open files.
type httpLog struct {
	log  *slog.Logger
	said said
}

// Write implements io.Writer.
func (l *httpLog) Write(line []byte) (int, error) {
	text, _, _ := strings.Cut(strings.TrimSpace(string(line)), "; retrying in ")
	if l.said.news(text) {
		l.log.Error("serving", "err", text)
	}
	return len(line), nil
}
