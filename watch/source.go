package watch

import (
	"sync"

	"github.com/fsnotify/fsnotify"
)

// maxWaiting is how many different names wait in memory for Run to come
// round. More are an overflow, as they would be in the kernel's queue.
const maxWaiting = 1 << 16

// source is one fsnotify watcher, drained. The funcs are its methods.
type source struct {
	events <-chan fsnotify.Event
	errors <-chan error
	add    func(path string) error
	remove func(path string) error
	list   func() []string
	close  func() error // must close events and errors

	ready   chan struct{} // holds one value while there is something to take
	drained chan struct{} // closed when the draining goroutine has ended

	mu    sync.Mutex
	names map[string]fsnotify.Op
	err   error // the first since the last take
}

// openSource makes a source of inotify.
func openSource() (*source, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	return &source{
		events: w.Events,
		errors: w.Errors,
		add:    w.Add,
		remove: w.Remove,
		list:   w.WatchList,
		close:  w.Close,
	}, nil
}

// start begins to drain events and errors into memory. The goroutine must
// never call back into fsnotify: that sends errors with its mutex held.
func (s *source) start() {
	s.ready = make(chan struct{}, 1)
	s.drained = make(chan struct{})
	s.names = make(map[string]fsnotify.Op)
	go func() {
		defer close(s.drained)
		events, errs := s.events, s.errors
		for events != nil || errs != nil {
			select {
			case e, ok := <-events:
				if !ok {
					events = nil
					continue
				}
				s.put(e)
			case err, ok := <-errs:
				if !ok {
					errs = nil
					continue
				}
				s.fail(err)
			}
		}
	}()
}

// stop closes the watcher and waits for the draining goroutine.
func (s *source) stop() error {
	err := s.close()
	<-s.drained
	return err
}

func (s *source) put(e fsnotify.Event) {
	s.mu.Lock()
	if _, known := s.names[e.Name]; known || len(s.names) < maxWaiting {
		s.names[e.Name] |= e.Op
	} else if s.err == nil {
		s.err = fsnotify.ErrEventOverflow
	}
	s.mu.Unlock()
	s.wake()
}

func (s *source) fail(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.mu.Unlock()
	s.wake()
}

func (s *source) wake() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// take returns what was noticed since the last take: names with all that
// happened to them, and the first error.
func (s *source) take() (map[string]fsnotify.Op, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	names, err := s.names, s.err
	s.names, s.err = make(map[string]fsnotify.Op), nil
	return names, err
}
