package main

import (
	"fmt"
	"testing"

	"tocsin/config"
	"tocsin/notify"
)

// sinkURLs are addresses that a sink of each type takes, at host.
func sinkURLs(host string) map[string]string {
	return map[string]string{
		"webhook":    "https://" + host + "/hook",
		"slack":      "https://" + host + "/services/T/B/x",
		"discord":    "https://" + host + "/api/webhooks/1/token",
		"mattermost": "https://" + host + "/hooks/abc",
		"rocketchat": "https://" + host + "/hooks/abc",
		"teams":      "https://" + host + "/workflows/1",
		"googlechat": "https://" + host + "/v1/spaces/A/messages?key=k&token=t",
		"zulip":      "https://bot:key@" + host + "/api/v1/messages?to=news",
		"matrix":     "https://" + host + "/_matrix/client/v3/rooms/!room:x?access_token=t",
		"telegram":   "https://" + host + "/bot1:token/sendMessage?chat_id=-100",
		"ntfy":       "https://" + host + "/alerts",
		"gotify":     "https://" + host + "/message?token=t",
	}
}

// What `updates` a sink may have is what its sender can do.
func TestUpdatesAreWhatToolsCan(t *testing.T) {
	byName := map[string]bool{"googlechat": true, "zulip": true} // a thread is that of a name
	for typ, address := range sinkURLs("chat.example") {
		for _, way := range []string{"post", "edit", "thread"} {
			text := fmt.Sprintf("notify:\n  sinks:\n    - {name: a, type: %s, url: %q, updates: %s}\n", typ, address, way)
			env := config.OSEnv()
			env.CheckSink = checkSink
			c, err := config.Parse("config.yaml", []byte(text), env)
			sink := config.Sink{Name: "a", Type: typ, URL: config.Secret(address), Updates: way}
			sender, serr := newSender(sink, nil, nil)
			if serr != nil {
				t.Fatalf("%s, %s: %v", typ, way, serr)
			}
			can := way == "post"
			if _, ok := sender.(notify.Editor); ok {
				can = can || way == "edit"
			}
			if _, ok := sender.(notify.Threader); ok || byName[typ] {
				can = can || way == "thread"
			}
			if (err == nil) != can {
				t.Errorf("%s, updates: %s: the configuration says %v, and the sender that it can is %v", typ, way, err, can)
			}
			if err == nil && c.Notify.Sinks[0].Updates != way {
				t.Errorf("%s: %s became %s", typ, way, c.Notify.Sinks[0].Updates)
			}
		}
	}
}
