package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sys/unix"

	"tocsin/feed"
	"tocsin/ledger"
	"tocsin/notify/outbox"
	"tocsin/timeline"
	"tocsin/watch"
	"tocsin/web/bucket"
)

// metrics is what the daemon says of itself at /metrics; docs/metrics.md lists it.
// It belongs to the process: a reload gives it another configuration to look at
// (follow), and no counter goes back.
//
// What happens is counted as it happens, by the methods below, which the packages
// are handed as funcs. What is so at a moment, and is known elsewhere, is asked for
// when somebody asks (Collect). No label holds an address or an event's id: names of
// sinks are what varies most. The methods that note something may be called on nil,
// as by a command that is no daemon.
type metrics struct {
	registry *prometheus.Registry
	running  atomic.Pointer[running]

	events, feeds, faults, held, behind prometheus.Gauge
	turns                               *prometheus.CounterVec
	turnTime                            prometheus.Observer
	turnLast                            prometheus.Gauge
	turnFailing                         prometheus.Gauge
	changes                             *prometheus.CounterVec
	noticed                             *prometheus.CounterVec
	attempts                            *prometheus.CounterVec
	attemptTime                         *prometheus.HistogramVec
	requests                            *prometheus.CounterVec
	requestTime                         *prometheus.HistogramVec
	rendered, renderedBytes             *prometheus.CounterVec
	kept                                prometheus.Counter
	bucketRequests                      *prometheus.CounterVec
	reloads                             *prometheus.CounterVec
	reloadSuccessful, reloadedLast      prometheus.Gauge
}

// running is what the metrics look at: the daemon as it is configured now.
type running struct {
	ready  func() error
	state  func() watch.State
	jumped func() bool // the clock
	queue  *outbox.Outbox
	store  *ledger.Store
	keeper *keeper // of a bucket; nil: there is none
}

// What Collect finds out.
var (
	readyDesc     = desc("ready", "Whether /readyz answers 200.")
	leadsDesc     = desc("leads", "Whether this process is the one that turns changes of the folder into what is told; always, where it shares its state with none.")
	watchDesc     = desc("watch_state", "1 for the state of the watcher, 0 for the others.", "state")
	clockDesc     = desc("clock_jumped", "Whether the machine's clock jumped and is not believed yet.")
	waitingDesc   = desc("deliveries_waiting", "Deliveries that wait for their attempt or for another.", "sink")
	heldDesc      = desc("deliveries_held", "Deliveries that wait for a digest or for the end of quiet hours.", "sink")
	failedDesc    = desc("deliveries_failed", "Deliveries that were given up, and are kept.", "sink")
	oldestDesc    = desc("deliveries_oldest_waiting_timestamp_seconds", "Since when the oldest delivery that is not held waits; absent where none does.", "sink")
	downDesc      = desc("sink_down", "Whether the sink failed for so long that it is tried now and then only.", "sink")
	goneDesc      = desc("sink_gone", "Whether the sink said that it is no more, and is sent nothing.", "sink")
	bucketDesc    = desc("bucket_failing", "Whether the bucket could not be brought up to date at the last try; absent where there is none.")
	behindDesc    = desc("bucket_behind_timestamp_seconds", "Since when something published is not in the bucket; absent where all is.")
	stateDesc     = desc("state_bytes", "Size of the state.")
	stateFreeDesc = desc("state_filesystem_free_bytes", "What is free on the file system of the state, for this user.")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prefix+name, help, labels, nil)
}

const prefix = "tocsin_"

// Values of labels.
const (
	resultDone      = "done"
	resultUnsettled = "unsettled" // a file was missing or in motion: it goes on
	resultFailed    = "failed"

	requestFeed  = "feed"
	requestQuery = "query"
	requestPage  = "page"

	reloadDone    = "done"
	reloadRefused = "refused"
)

var (
	watchStates = []watch.State{watch.Watching, watch.Polling, watch.Degraded, watch.RootLost, watch.Closed}
	outcomes    = []outbox.State{outbox.Delivered, outbox.Waiting, outbox.Failed}
	changeKinds = []timeline.Kind{timeline.New, timeline.Updated, timeline.Moved, timeline.Copied, timeline.Withdrawn}
	// watchReasons are those of watch.Hint.
	watchReasons = []string{"start", "notified", "rescan", "poll", "overflow", "watch error", "root back", "degraded", "clock"}
)

// newMetrics returns metrics of a process that has just read its configuration.
func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + name, Help: help})
		m.registry.MustRegister(g)
		return g
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	times := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets}, labels)
		m.registry.MustRegister(h)
		return h
	}
	m.events = gauge("events", "Public events.")
	m.feeds = gauge("feeds", "Feeds that are served, those without events too.")
	m.faults = gauge("file_faults", "Faults of event files, such as one that does not parse; their last good version stands.")
	m.held = gauge("withdrawals_held", "Events whose withdrawal is held, as most are gone at once.")
	m.behind = gauge("events_behind", "Events of which this process's checkout has not what the state came to while it looked on.")
	m.turns = counters("turns_total", "Looks at the folder, by what came of them: done, unsettled (goes on after a settle time) or failed.", "result")
	m.turnTime = times("turn_duration_seconds", "How long looking, comparing, committing and publishing took.", []float64{.001, .005, .025, .1, .5, 2, 10, 60}).WithLabelValues()
	m.turnLast = gauge("turn_last_success_timestamp_seconds", "When the last turn was done.")
	m.turnFailing = gauge("turn_failing", "Whether the last turn failed.")
	m.changes = counters("changes_total", "Changes of events that were committed; those of the first look too.", "kind")
	m.noticed = counters("watch_notices_total", "What made the watcher ask for a look, by its reason.", "reason")
	m.attempts = counters("delivery_attempts_total", "Messages handed to a sink, by what the delivery became: delivered, waiting (for another attempt) or failed.", "sink", "became")
	m.attemptTime = times("delivery_attempt_duration_seconds", "How long a sink took to answer.", []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}, "sink")
	m.requests = counters("http_requests_total", "Requests answered, by what they were for: feed, query (a feed made on demand) or page.", "class", "code")
	m.requestTime = times("http_request_duration_seconds", "How long answering took.", []float64{.0005, .002, .01, .05, .25, 1, 5}, "class")
	m.rendered = counters("feed_renders_total", "Feeds whose bytes were made.", "format")
	m.renderedBytes = counters("feed_rendered_bytes_total", "Bytes of feeds that were made, before compression.", "format")
	m.kept = counters("feed_cache_hits_total", "Requests of feeds whose bytes were there already.").WithLabelValues()
	m.bucketRequests = counters("bucket_requests_total", "Requests to the store of the bucket, by what for and what came of them.", "operation", "result")
	m.reloads = counters("config_reloads_total", "Reloads of the configuration, by what came of them: done or refused.", "result")
	m.reloadSuccessful = gauge("config_last_reload_successful", "Whether the last reload of the configuration was accepted; 1 before any.")
	m.reloadedLast = gauge("config_last_reload_success_timestamp_seconds", "When the configuration that is in force was read.")
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: prefix + "build_info", Help: "1, with the version as a label."}, []string{"version", "goversion"})
	m.registry.MustRegister(build, m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	// What has not happened yet is 0: a rate needs the value before.
	build.WithLabelValues(version, runtime.Version()).Set(1)
	for _, result := range []string{resultDone, resultUnsettled, resultFailed} {
		m.turns.WithLabelValues(result)
	}
	for _, kind := range changeKinds {
		m.changes.WithLabelValues(string(kind))
	}
	for _, why := range watchReasons {
		m.noticed.WithLabelValues(label(why))
	}
	for _, class := range []string{requestFeed, requestQuery, requestPage} {
		m.requestTime.WithLabelValues(class)
	}
	for _, result := range []string{reloadDone, reloadRefused} {
		m.reloads.WithLabelValues(result)
	}
	m.reloadSuccessful.Set(1)
	m.reloadedLast.SetToCurrentTime()
	return m
}

// handler serves the metrics.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		// Where the state cannot be read, the rest is still worth knowing.
		ErrorHandling: promhttp.ContinueOnError,
		Registry:      m.registry,
	})
}

// follow looks at another configuration from now on.
func (m *metrics) follow(r running) {
	for _, s := range r.queue.Sinks() {
		for _, became := range outcomes {
			m.attempts.WithLabelValues(s.Sink, string(became))
		}
		m.attemptTime.WithLabelValues(s.Sink)
	}
	if r.keeper != nil {
		for _, op := range bucket.Ops() {
			for _, result := range []string{resultDone, resultFailed} {
				m.bucketRequests.WithLabelValues(string(op), result)
			}
		}
	}
	m.running.Store(&r)
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{readyDesc, leadsDesc, watchDesc, clockDesc, waitingDesc, heldDesc, failedDesc, oldestDesc, downDesc, goneDesc, bucketDesc, behindDesc, stateDesc, stateFreeDesc} {
		ch <- d
	}
}

// scrapeLimit bounds how long a scrape waits for the store, on which a large turn
// may be writing.
const scrapeLimit = 5 * time.Second

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	r := m.running.Load()
	if r == nil {
		return
	}
	is := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	is(readyDesc, number(r.ready() == nil))
	is(leadsDesc, number(r.store.Leads()))
	is(clockDesc, number(r.jumped()))
	now := r.state()
	for _, s := range watchStates {
		is(watchDesc, number(s == now), label(string(s)))
	}
	waiting, held, failed := make(map[string]int), make(map[string]int), make(map[string]int)
	for _, s := range r.queue.Sinks() {
		is(downDesc, number(s.Down), s.Sink)
		is(goneDesc, number(s.Gone), s.Sink)
		waiting[s.Sink], held[s.Sink], failed[s.Sink] = 0, 0, 0
	}
	if r.keeper != nil {
		is(bucketDesc, number(r.keeper.ready() != nil))
		if since := r.keeper.behind(); !since.IsZero() {
			is(behindDesc, float64(since.UnixMicro())/1e6)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeLimit)
	defer cancel()
	counts, err := r.queue.Counts(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(waitingDesc, err)
	} else {
		for _, c := range counts {
			switch {
			case c.State == outbox.Failed:
				failed[c.Sink] = c.N
			case c.Held:
				held[c.Sink] = c.N
			default:
				waiting[c.Sink] = c.N
				is(oldestDesc, float64(c.Since.UnixMicro())/1e6, c.Sink)
			}
		}
		for d, counts := range map[*prometheus.Desc]map[string]int{waitingDesc: waiting, heldDesc: held, failedDesc: failed} {
			for sink, n := range counts {
				is(d, float64(n), sink)
			}
		}
	}
	if size, err := r.store.Size(ctx); err != nil {
		ch <- prometheus.NewInvalidMetric(stateDesc, err)
	} else {
		is(stateDesc, float64(size))
	}
	if r.store.Path() == "" {
		return
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(r.store.Path()), &disk); err != nil {
		ch <- prometheus.NewInvalidMetric(stateFreeDesc, fmt.Errorf("the state's file system: %w", err))
		return
	}
	is(stateFreeDesc, float64(disk.Bavail)*float64(disk.Bsize))
}

// label is a word of another package as a label's value.
func label(words string) string { return strings.ReplaceAll(words, " ", "_") }

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// turned notes a turn of the wheel. It went on without a result where something was
// missing or in motion.
func (m *metrics) turned(took time.Duration, again bool, err error) {
	if m == nil {
		return
	}
	m.turnTime.Observe(took.Seconds())
	m.turnFailing.Set(number(err != nil))
	switch {
	case err != nil:
		m.turns.WithLabelValues(resultFailed).Inc()
	case again:
		m.turns.WithLabelValues(resultUnsettled).Inc()
	default:
		m.turns.WithLabelValues(resultDone).Inc()
		m.turnLast.SetToCurrentTime()
	}
}

// failing notes whether what another process writes cannot be read.
func (m *metrics) failing(is bool) {
	if m != nil {
		m.turnFailing.Set(number(is))
	}
}

// published notes what there is.
func (m *metrics) published(events, feeds, faults, held, behind int) {
	if m == nil {
		return
	}
	m.events.Set(float64(events))
	m.feeds.Set(float64(feeds))
	m.faults.Set(float64(faults))
	m.held.Set(float64(held))
	m.behind.Set(float64(behind))
}

// committed notes changes that are told.
func (m *metrics) committed(told []ledger.Told) {
	if m == nil {
		return
	}
	for _, t := range told {
		m.changes.WithLabelValues(string(t.Kind)).Inc()
	}
}

// notice notes why the watcher asks for a look.
func (m *metrics) notice(why string) { m.noticed.WithLabelValues(label(why)).Inc() }

// attempted notes an attempt of a delivery.
func (m *metrics) attempted(sink string, became outbox.State, took time.Duration) {
	m.attempts.WithLabelValues(sink, string(became)).Inc()
	m.attemptTime.WithLabelValues(sink).Observe(took.Seconds())
}

// render notes that the bytes of a feed were made.
func (m *metrics) render(format feed.Format, bytes int) {
	m.rendered.WithLabelValues(string(format)).Inc()
	m.renderedBytes.WithLabelValues(string(format)).Add(float64(bytes))
}

// requested notes a request to the store of the bucket.
func (m *metrics) requested(op bucket.Op, err error) {
	result := resultDone
	if err != nil {
		result = resultFailed
	}
	m.bucketRequests.WithLabelValues(string(op), result).Inc()
}

// reloaded notes a reload of the configuration, which was refused where err is not
// nil.
func (m *metrics) reloaded(err error) {
	m.reloadSuccessful.Set(number(err == nil))
	if err != nil {
		m.reloads.WithLabelValues(reloadRefused).Inc()
		return
	}
	m.reloads.WithLabelValues(reloadDone).Inc()
	m.reloadedLast.SetToCurrentTime()
}

// measure counts the requests of a site at an address, and how long they take.
func (m *metrics) measure(site string, next http.Handler) http.Handler {
	prefix := "" // which proxies may take off
	if u, err := url.Parse(site); err == nil {
		prefix = strings.TrimRight(u.Path, "/")
	}
	class := func(path string) string {
		switch rest, ok := strings.CutPrefix(strings.TrimPrefix(path, prefix), "/feeds/"); {
		case !ok:
			return requestPage
		case strings.HasPrefix(rest, feed.QueryPath+"."):
			return requestQuery
		}
		return requestFeed
	}
	type counts struct {
		took  prometheus.Observer
		codes [600]atomic.Pointer[prometheus.Counter] // looked up once; the labels' hash is dear
	}
	by := make(map[string]*counts)
	for _, c := range []string{requestFeed, requestQuery, requestPage} {
		by[c] = &counts{took: m.requestTime.WithLabelValues(c)}
	}
	// promhttp's own handlers do this with four allocations and two searches by labels.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		answer := &watched{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(answer, r)
		class := class(r.URL.Path)
		by := by[class]
		by.took.Observe(time.Since(began).Seconds())
		counter := by.codes[answer.status].Load()
		if counter == nil {
			c := m.requests.WithLabelValues(class, strconv.Itoa(answer.status))
			counter = &c
			by.codes[answer.status].Store(counter)
		}
		(*counter).Inc()
	})
}

// watched is an answer whose status is noted.
type watched struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *watched) WriteHeader(status int) {
	w.status = min(max(status, 0), 599)
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets an http.ResponseController do what it can do.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }
