package watch

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// parseSchedule understands what Options.Rescan may be; nil for an empty one.
// The library panics on some faults, takes intervals below a second for a
// second, and says nothing of a date that never comes.
func parseSchedule(spec string, now time.Time) (s cron.Schedule, err error) {
	if spec == "" {
		return nil, nil
	}
	defer func() {
		if r := recover(); r != nil {
			s, err = nil, fmt.Errorf("watch: rescan %q: %v", spec, r)
		}
	}()
	s, err = cron.ParseStandard(spec)
	if err != nil {
		return nil, fmt.Errorf("watch: rescan %q: %w", spec, err)
	}
	if _, every, ok := strings.Cut(spec, "@every "); ok {
		if d, err := time.ParseDuration(every); err != nil || d < time.Second {
			return nil, fmt.Errorf("watch: rescan %q: an interval must be a second or more", spec)
		}
	}
	if s.Next(now).IsZero() {
		return nil, fmt.Errorf("watch: rescan %q: never comes", spec)
	}
	return s, nil
}

// startRescans sends to the channel at the scheduled times, until the
// returned func is called, which waits for the last send to be given up or
// done. A time that comes while the last one still waits is left out.
func startRescans(ctx context.Context, s cron.Schedule, log *slog.Logger, to chan<- struct{}) (stop func()) {
	if s == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	cl := cronLog{log}
	// Recover belongs inside: outside of SkipIfStillRunning a panic would
	// leave the job marked as running for ever.
	c := cron.New(cron.WithLogger(cl), cron.WithChain(cron.SkipIfStillRunning(cl), cron.Recover(cl)))
	c.Schedule(s, cron.FuncJob(func() {
		select {
		case to <- struct{}{}:
		case <-ctx.Done():
		}
	}))
	c.Start()
	return func() {
		cancel()
		<-c.Stop().Done()
	}
}

// cronLog is what cron wants of a logger.
type cronLog struct{ log *slog.Logger }

func (l cronLog) Info(msg string, kv ...any) { l.log.Debug("rescan: "+msg, kv...) }

func (l cronLog) Error(err error, msg string, kv ...any) {
	l.log.Error("rescan: "+msg, append(kv, "err", err)...)
}
