package sink

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"tocsin/notify"
)

func TestPing(t *testing.T) {
	feeds := []string{
		"https://timeline.example/feeds/all.atom",
		"https://timeline.example/feeds/tags/a%20b&c.rss?x=1&hub.mode=unsubscribe",
		"https://timeline.example/feeds/actors/%C3%A9.json",
	}
	var got *http.Request
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		got = r
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "thank you")
	}))
	defer srv.Close()
	s := newSink(t, Config{Name: "websub", Type: "websub", URL: srv.URL + "/hub?key=a", Version: "1.2.3"})
	answer, err := s.Send(t.Context(), notify.Delivery{ID: "msg_1", Message: notify.Message{Type: notify.TypeFeeds, Feeds: feeds}})
	if err != nil {
		t.Fatal(err)
	}
	if want := (notify.Answer{Status: 202, Text: "thank you"}); answer != want {
		t.Errorf("answer %+v, want %+v", answer, want)
	}
	if got.Method != "POST" || got.URL.String() != "/hub?key=a" || got.Header.Get("Content-Type") != "application/x-www-form-urlencoded" ||
		got.Header.Get("User-Agent") != "tocsin/1.2.3" {
		t.Errorf("%s %s %v", got.Method, got.URL, got.Header)
	}
	if len(got.PostForm) != 2 || !slices.Equal(got.PostForm["hub.mode"], []string{"publish"}) || !slices.Equal(got.PostForm["hub.url"], feeds) {
		t.Errorf("the form is %v", got.PostForm)
	}
}

// A ping of real addresses stays below what hubs take.
func TestPingSize(t *testing.T) {
	m := notify.Message{}
	for i := range notify.MaxFeeds {
		m.Feeds = append(m.Feeds, fmt.Sprintf("https://timeline.example.org/feeds/actors/%s-%02d.atom", strings.Repeat("a-long-name", 6), i))
	}
	if b := renderPing(m); len(b) >= 8<<10 {
		t.Errorf("%d bytes", len(b))
	}
}
