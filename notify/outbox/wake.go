package outbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"sync"

	"github.com/riverqueue/river/riverdriver"
)

// waking is River's driver with a listener that is told at once which queues have new
// jobs. River's own hears of them from the database (in SQLite it looks for them twenty
// times a second), and not of two that come within FetchCooldown. That stays, for jobs
// of other processes.
type waking struct {
	riverdriver.Driver[*sql.Tx]
	waker *waker
}

// GetListener implements riverdriver.Driver.
func (d *waking) GetListener(p *riverdriver.GetListenenerParams) riverdriver.Listener {
	return &listener{d.Driver.GetListener(p), d.waker}
}

type listener struct {
	riverdriver.Listener
	waker *waker
}

// insertTopic is River's name for what tells of new jobs.
const insertTopic = "river_insert"

// WaitForNotification implements riverdriver.Listener.
func (l *listener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	for {
		queue, awake := l.waker.take()
		if queue != "" {
			payload, err := json.Marshal(map[string]string{"queue": queue})
			return &riverdriver.Notification{Topic: insertTopic, Payload: string(payload)}, err
		}
		wait, cancel := context.WithCancel(ctx)
		stop := context.AfterFunc(awake, cancel)
		n, err := l.Listener.WaitForNotification(wait)
		stop()
		cancel()
		if err == nil || awake.Err() == nil || ctx.Err() != nil {
			return n, err
		}
	}
}

// waker holds the queues that have new jobs.
type waker struct {
	mu     sync.Mutex
	queues map[string]bool
	awake  context.Context // ends when there are some
	rouse  context.CancelFunc
}

func newWaker() *waker {
	w := &waker{queues: make(map[string]bool)}
	w.awake, w.rouse = context.WithCancel(context.Background())
	return w
}

// take returns one of the queues, or else "" and a context that ends when there is
// one.
func (w *waker) take() (queue string, awake context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for queue := range w.queues {
		delete(w.queues, queue)
		return queue, w.awake
	}
	if w.awake.Err() != nil {
		w.awake, w.rouse = context.WithCancel(context.Background())
	}
	return "", w.awake
}

func (w *waker) wake(queue string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queues[queue] = true
	w.rouse()
}
