package outbox

import (
	"encoding/json"
	"log/slog"
	"net/http"

	"riverqueue.com/riverui"
)

// UI returns River's own pages about the queue, for addresses that begin with prefix,
// such as /queue. They show jobs, which are attempts to come and those of the last
// hour, and never what is sent nor to where: a job holds the number and the id of its
// delivery.
//
// Nothing can be changed there. The queue is derived from the deliveries: a job that
// is cancelled or deleted is made again. And whoever reaches the listener would not
// have to say who they are, nor would a page in the operator's browser that sends a
// request to it.
func (o *Outbox) UI(prefix string) (http.Handler, error) {
	if o.client == nil {
		return nil, errClosed
	}
	pages, err := riverui.NewHandler(&riverui.HandlerOpts{
		Endpoints: riverui.NewEndpoints(o.client, nil), Prefix: prefix,
		Logger: slog.New(lower{o.log.Handler(), newSaid()}).With("by", "riverui"),
	})
	if err != nil {
		return nil, err
	}
	o.pages = pages
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusMethodNotAllowed)
			_ = json.NewEncoder(w).Encode(map[string]string{
				"message": "these pages only show the queue; use: tocsin deliveries retry|cancel ID",
			})
			return
		}
		pages.ServeHTTP(w, r)
	}), nil
}
