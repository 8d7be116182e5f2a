package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"tocsin/config"
	"tocsin/ledger"
	"tocsin/notify"
	"tocsin/notify/outbox"
	"tocsin/timeline"
	"tocsin/watch"
)

// exported are the names of all metrics that the program has of its own, and what
// of their values has a name of its own.
func exported(t *testing.T) (names, series []string) {
	t.Helper()
	m := newMetrics()
	ch := make(chan *prometheus.Desc)
	go func() {
		defer close(ch)
		m.registry.Describe(ch)
	}()
	name := regexp.MustCompile(`fqName: "(tocsin_[^"]*)"`)
	for d := range ch {
		if found := name.FindStringSubmatch(d.String()); found != nil {
			names = append(names, found[1])
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for _, n := range names {
		series = append(series, n)
		if strings.HasSuffix(n, "_duration_seconds") {
			series = append(series, n+"_bucket", n+"_sum", n+"_count")
		}
	}
	return names, series
}

var metricName = regexp.MustCompile(`\btocsin_[a-z_]+`)

// TestMetricsDocumented holds docs/metrics.md together with what the program has.
func TestMetricsDocumented(t *testing.T) {
	names, _ := exported(t)
	if len(names) < 30 {
		t.Fatalf("only %d metrics: %q", len(names), names)
	}
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| `") {
			documented = append(documented, metricName.FindString(line))
		}
	}
	slices.Sort(documented)
	if !slices.Equal(documented, names) {
		t.Errorf("docs/metrics.md has a line for\n%q, the program has\n%q", documented, names)
	}
}

// TestMetricsPackaged holds the alerts and the dashboard together with what the
// program has. What they mean is checked by promtool (scripts/check-metrics).
func TestMetricsPackaged(t *testing.T) {
	_, series := exported(t)
	read := func(name string) string {
		text, err := os.ReadFile("../../packaging/" + name)
		if err != nil {
			t.Fatal(err)
		}
		used := metricName.FindAllString(string(text), -1)
		if len(used) < 15 {
			t.Errorf("%s uses only %d metrics", name, len(used))
		}
		for _, metric := range used {
			if !slices.Contains(series, metric) {
				t.Errorf("%s uses %s, which there is not", name, metric)
			}
		}
		return string(text)
	}
	rules, cases := read("prometheus/tocsin.rules.yml"), read("prometheus/tocsin.rules_test.yml")
	alerts := regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(rules, -1)
	if len(alerts) < 10 {
		t.Errorf("only %d alerts", len(alerts))
	}
	for _, a := range alerts {
		if !strings.Contains(cases, `{alertname="`+a[1]+`"}`) {
			t.Errorf("no case lets %s fire", a[1])
		}
	}
	type panel struct {
		ID      int
		Title   string
		GridPos struct{ X, Y, W, H int }
	}
	var board struct{ Panels []panel }
	if err := json.Unmarshal([]byte(read("grafana/tocsin.json")), &board); err != nil {
		t.Fatal(err)
	}
	for i, p := range board.Panels {
		if p.Title == "" || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d has no title or is too wide", p.ID)
		}
		for _, o := range board.Panels[:i] {
			a, b := p.GridPos, o.GridPos
			if p.ID == o.ID || a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("panels %d %s and %d %s are in the same place", o.ID, o.Title, p.ID, p.Title)
			}
		}
	}
}

// scrape reads the metrics as Prometheus does: values by name and labels.
func scrape(t testing.TB, body io.Reader) map[string]float64 {
	t.Helper()
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(body)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]float64)
	for name, f := range families {
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			key := name
			if len(labels) > 0 {
				key += "{" + strings.Join(labels, ",") + "}"
			}
			switch f.GetType() {
			case dto.MetricType_HISTOGRAM:
				all[key+"_count"], all[key+"_sum"] = float64(m.Histogram.GetSampleCount()), m.Histogram.GetSampleSum()
			default:
				all[key] = m.Counter.GetValue() + m.Gauge.GetValue() + m.Untyped.GetValue()
			}
		}
	}
	return all
}

func (r *rig) scrape() map[string]float64 {
	r.t.Helper()
	res, err := http.Get("http://" + r.admin + "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		r.t.Fatalf("/metrics: %s", res.Status)
	}
	return scrape(r.t, res.Body)
}

func expectMetrics(t testing.TB, at string, got, want map[string]float64) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		value, ok := got[name]
		if !ok {
			t.Errorf("%s: there is no %s", at, name)
		} else if value != want[name] {
			t.Errorf("%s: %s is %v, want %v", at, name, value, want[name])
		}
	}
}

// TestMetrics lets the daemon do all that is measured once.
func TestMetrics(t *testing.T) {
	t.Parallel()
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadRequest) }))
	defer refusing.Close()
	r := newRig(t, "", "").seeded()
	r.addSinks(`
    - {name: later, type: webhook, url: "` + r.receiver.server.URL + `/later", digest: {schedule: "0 0 29 2 *"}}
    - {name: refuses, type: webhook, url: "` + refusing.URL + `"}`)
	began := time.Now()
	r.start()
	first := r.scrape()
	expectMetrics(t, "first", first, map[string]float64{
		"tocsin_ready": 1, "tocsin_events": 21, "tocsin_feeds": 128, "tocsin_file_faults": 0, "tocsin_withdrawals_held": 0,
		"tocsin_changes_total{kind=new}": 21, "tocsin_changes_total{kind=updated}": 0, "tocsin_turns_total{result=failed}": 0,
		"tocsin_turn_failing": 0, "tocsin_clock_jumped": 0, "tocsin_watch_state{state=watching}": 1, "tocsin_watch_state{state=root_lost}": 0,
		"tocsin_watch_notices_total{reason=start}": 1, "tocsin_watch_notices_total{reason=overflow}": 0, "tocsin_deliveries_waiting{sink=hook}": 0,
		"tocsin_delivery_attempts_total{became=delivered,sink=hook}": 0, "tocsin_sink_down{sink=hook}": 0, "tocsin_sink_gone{sink=hook}": 0,
		"tocsin_config_last_reload_successful": 1, "tocsin_http_request_duration_seconds{class=feed}_count": 0,
		"promhttp_metric_handler_errors_total{cause=gathering}": 0,
	})
	for _, name := range []string{"tocsin_turn_last_success_timestamp_seconds", "tocsin_config_last_reload_success_timestamp_seconds"} {
		if at := first[name]; at < float64(began.Unix()) || at > float64(time.Now().Unix()+1) {
			t.Errorf("%s is %f, the test began at %d", name, at, began.Unix())
		}
	}
	if n := first["tocsin_state_bytes"]; n < 100_000 {
		t.Errorf("the state has %v bytes", n)
	}
	if n := first["tocsin_state_filesystem_free_bytes"]; n < 1<<20 {
		t.Errorf("%v bytes are free", n)
	}
	if first["process_open_fds"] < 5 || first["go_goroutines"] < 5 {
		t.Errorf("open files: %v, goroutines: %v", first["process_open_fds"], first["go_goroutines"])
	}

	for _, path := range []string{"/feeds/all.atom", "/feeds/all.atom", "/feeds/all.rss", "/feeds/none.atom", "/feeds/query.json?tag=spaceflight", "/", "/none/"} {
		r.get(path)
	}
	text := r.read(r.path(sample))
	r.write(r.path(sample), strings.Replace(text, "importance: 9\n", "importance: 10\n", 1))
	r.write(r.path("broken"), "---\ntitle: [\n---\n")
	r.until("a message", func() bool { return len(r.receiver.all()) > 0 })
	var now map[string]float64
	r.until("all of it is measured", func() bool {
		now = r.scrape()
		return now["tocsin_file_faults"] == 1 && now["tocsin_delivery_attempts_total{became=delivered,sink=hook}"] == 1 &&
			now["tocsin_delivery_attempts_total{became=failed,sink=refuses}"] == 1
	})
	expectMetrics(t, "then", now, map[string]float64{
		"tocsin_ready": 1, "tocsin_events": 21, "tocsin_changes_total{kind=updated}": 1, "tocsin_changes_total{kind=new}": 21,
		"tocsin_deliveries_waiting{sink=hook}": 0, "tocsin_deliveries_held{sink=later}": 1, "tocsin_deliveries_waiting{sink=later}": 0,
		"tocsin_deliveries_failed{sink=refuses}": 1, "tocsin_deliveries_failed{sink=hook}": 0,
		"tocsin_delivery_attempt_duration_seconds{sink=hook}_count":    1,
		"tocsin_delivery_attempt_duration_seconds{sink=refuses}_count": 1,
		"tocsin_http_requests_total{class=feed,code=200}":              3, "tocsin_http_requests_total{class=feed,code=404}": 1,
		"tocsin_http_requests_total{class=query,code=200}": 1, "tocsin_http_requests_total{class=page,code=200}": 1,
		"tocsin_http_requests_total{class=page,code=404}": 1, "tocsin_http_request_duration_seconds{class=feed}_count": 4,
		"tocsin_feed_renders_total{format=atom}": 1, "tocsin_feed_renders_total{format=rss}": 1, "tocsin_feed_renders_total{format=json}": 1,
		"tocsin_feed_cache_hits_total": 1,
	})
	if now["tocsin_turns_total{result=done}"] < 2 || now["tocsin_watch_notices_total{reason=notified}"] < 1 || now["tocsin_feed_rendered_bytes_total{format=atom}"] < 10_000 {
		t.Errorf("turns, notices or bytes are not counted: %v", now)
	}
	if _, ok := now["tocsin_deliveries_oldest_waiting_timestamp_seconds{sink=later}"]; ok {
		t.Error("what is held counts as waiting")
	}
	for series := range now {
		if strings.HasPrefix(series, prefix) && (strings.Contains(series, "/") || strings.Contains(series, "127.") || strings.Contains(series, "whsec")) {
			t.Errorf("%s: labels hold no addresses, ids or secrets", series)
		}
	}

	// A reload puts other sinks in their place, and nothing that is counted back.
	r.configure("name: later", "name: another")
	r.reloaded()
	reloaded := r.scrape()
	for name, value := range now {
		if (strings.Contains(name, "_total") || strings.HasSuffix(name, "_count")) && reloaded[name] < value {
			t.Errorf("a reload puts %s back from %v to %v", name, value, reloaded[name])
		}
	}
	expectMetrics(t, "reloaded", reloaded, map[string]float64{
		"tocsin_ready": 1, "tocsin_events": 21, "tocsin_watch_state{state=watching}": 1, "tocsin_sink_down{sink=another}": 0,
		"tocsin_deliveries_held{sink=later}": 1, "tocsin_config_reloads_total{result=done}": 1, "tocsin_config_last_reload_successful": 1,
	})
	if _, ok := reloaded["tocsin_sink_down{sink=later}"]; ok {
		t.Error("a sink that is configured no more is still looked at")
	}
	r.configure("name: another", "nam: another")
	if out, errout, code := r.reload(); code != exitConfig {
		t.Errorf("a reload of nonsense: %d %s%s", code, out, errout)
	}
	expectMetrics(t, "refused", r.scrape(), map[string]float64{
		"tocsin_ready": 1, "tocsin_config_reloads_total{result=refused}": 1, "tocsin_config_last_reload_successful": 0,
	})
}

// silent is a sink that takes all.
type silent struct{}

// Send implements notify.Sender.
func (silent) Send(context.Context, notify.Delivery) (notify.Answer, error) {
	return notify.Answer{}, nil
}

// TestMetricsFollow lets a daemon with other sinks take another's place.
func TestMetricsFollow(t *testing.T) {
	store, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "tocsin.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	m := newMetrics()
	take := func(state watch.State, ready error, sinks ...string) *outbox.Outbox {
		var all []outbox.Sink
		for _, name := range sinks {
			all = append(all, outbox.Sink{Name: name, Sender: silent{}})
		}
		o := outbox.New(outbox.Options{Store: store, Sinks: all, Attempted: m.attempted, Logger: slog.New(slog.DiscardHandler)})
		if err := o.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.follow(running{ready: func() error { return ready }, state: func() watch.State { return state }, jumped: func() bool { return false }, queue: o, store: store})
		return o
	}
	ask := func() map[string]float64 {
		w := httptest.NewRecorder()
		m.handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return scrape(t, w.Body)
	}
	_ = ask() // before there is anything to look at
	old := take(watch.Watching, nil, "old", "both")
	m.attempted("old", outbox.Delivered, time.Second)
	m.attempted("both", outbox.Waiting, time.Second)
	m.committed([]ledger.Told{{Change: timeline.Change{Kind: timeline.New}}})
	expectMetrics(t, "the first", ask(), map[string]float64{"tocsin_ready": 1, "tocsin_sink_down{sink=old}": 0, "tocsin_changes_total{kind=new}": 1})
	if err := old.Close(); err != nil {
		t.Error(err)
	}
	m.reloaded(errors.New("line 3"))
	expectMetrics(t, "refused", ask(), map[string]float64{"tocsin_config_last_reload_successful": 0, "tocsin_config_reloads_total{result=refused}": 1})

	defer take(watch.RootLost, errors.New("away"), "both", "new").Close()
	m.reloaded(nil)
	now := ask()
	expectMetrics(t, "the second", now, map[string]float64{
		"tocsin_ready": 0, "tocsin_watch_state{state=root_lost}": 1, "tocsin_watch_state{state=watching}": 0, "tocsin_sink_down{sink=new}": 0,
		"tocsin_deliveries_waiting{sink=both}": 0, "tocsin_delivery_attempts_total{became=delivered,sink=old}": 1,
		"tocsin_delivery_attempts_total{became=waiting,sink=both}": 1, "tocsin_delivery_attempts_total{became=delivered,sink=new}": 0,
		"tocsin_changes_total{kind=new}": 1, "tocsin_config_last_reload_successful": 1, "tocsin_config_reloads_total{result=done}": 1,
	})
	if _, ok := now["tocsin_sink_down{sink=old}"]; ok {
		t.Error("a sink that is configured no more is still looked at")
	}

	// Where the state cannot be read, the rest is still there, and it is counted.
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	ask()
	now = ask()
	expectMetrics(t, "without the state", now, map[string]float64{"tocsin_ready": 0, "promhttp_metric_handler_errors_total{cause=gathering}": 1})
	if _, ok := now["tocsin_deliveries_waiting{sink=both}"]; ok {
		t.Error("deliveries that could not be counted are said to be none")
	}
}

func TestMeasureClasses(t *testing.T) {
	for site, prefix := range map[string]string{"https://example.org": "", "https://example.org/record/": "/record"} {
		m := newMetrics()
		h := m.measure(site, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNotModified) }))
		for path, class := range map[string]string{
			"/feeds/all.atom": "feed", "/feeds/tags/query.atom": "feed", "/feeds/query.json?tag=a": "query", "/": "page", "/feeds.opml": "page", "/tags/feeds/": "page",
		} {
			for _, p := range []string{"", prefix} {
				before := requestsOf(t, m)[class]
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", p+path, nil))
				if got := requestsOf(t, m)[class] - before; got != 1 {
					t.Errorf("%s: GET %s%s: %v more of class %s", site, p, path, got, class)
				}
			}
		}
	}
}

// requestsOf returns how many requests were answered with 304, by class.
func requestsOf(t *testing.T, m *metrics) map[string]float64 {
	t.Helper()
	w := httptest.NewRecorder()
	m.handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	all := make(map[string]float64)
	for name, value := range scrape(t, w.Body) {
		if class, ok := strings.CutPrefix(name, "tocsin_http_requests_total{class="); ok {
			all[strings.TrimSuffix(class, ",code=304}")] = value
		}
	}
	return all
}

// BenchmarkServeFeed serves a feed whose bytes are there, with and without being
// measured.
func BenchmarkServeFeed(b *testing.B) {
	c := config.Default()
	c.Events.Dir = "../../seeds"
	store, err := ledger.Open(b.Context(), filepath.Join(b.TempDir(), "tocsin.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	for _, measured := range []bool{false, true} {
		var m *metrics
		if measured {
			m = newMetrics()
		}
		w := newWheel(&c, store, nil, nil, newGate(0), time.Now, slog.New(slog.DiscardHandler), m)
		if err := w.load(b.Context()); err != nil {
			b.Fatal(err)
		}
		for where := (timeline.Where{All: true, Sure: true}); ; {
			again, err := w.turn(b.Context(), where)
			if err != nil {
				b.Fatal(err)
			}
			if again == nil {
				break
			}
		}
		h := w.site.Handler()
		if measured {
			h = m.measure(c.Site.URL, h)
		}
		for _, unchanged := range []bool{false, true} {
			r := httptest.NewRequest("GET", "/feeds/all.atom", nil)
			first := httptest.NewRecorder()
			h.ServeHTTP(first, r)
			want := http.StatusOK
			if unchanged {
				want = http.StatusNotModified
				r.Header.Set("If-None-Match", first.Header().Get("ETag"))
			}
			b.Run(fmt.Sprintf("measured=%t/status=%d", measured, want), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					answer := &nowhere{header: make(http.Header)}
					h.ServeHTTP(answer, r)
					if answer.status != want {
						b.Fatal(answer.status)
					}
				}
			})
		}
	}
}

// nowhere is a ResponseWriter that keeps nothing.
type nowhere struct {
	header http.Header
	status int
}

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n *nowhere) WriteHeader(status int)      { n.status = status }
