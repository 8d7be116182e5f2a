package config

import (
	"strings"
	"testing"
)

// nest puts `key: value` under the mappings of a dotted section.
func nest(section, text string) string {
	indent := ""
	var b strings.Builder
	for name := range strings.SplitSeq(section, ".") {
		b.WriteString(indent + name + ":\n")
		indent += "  "
	}
	return b.String() + indent + strings.ReplaceAll(text, "\n", "\n"+indent) + "\n"
}

// sink is a sink with two more keys at most.
func sink(text string) string {
	return "notify:\n  sinks:\n    - name: a\n      type: webhook\n      url: https://example.org/\n      " + strings.ReplaceAll(text, "\n", "\n      ") + "\n"
}

func TestChecks(t *testing.T) {
	const (
		siteURL   = "is not an absolute http or https URL without user, query and fragment; write it like https://example.org"
		authority = "is not a domain or e-mail address, a comma and a date; write it like example.org,2025 (RFC 4151)"
		language  = "is not a language tag; write it like en or pt-BR (BCP 47)"
		email     = "is not an e-mail address; write it like desk@example.org"
		eventURL  = "is not an absolute http or https URL with {id} behind its host; write it like https://example.org/timeline/{id}/"
		line      = "has a line break or another control character in it; write one line"
		glob      = "is not a pattern; write it like **/*.md, and close every [ and {"
		layout    = "is not a layout in Go's notation; write it with 2006 for the year, 01 or January for the month and 02 for the day"
		cronHint  = "write five fields such as `0 7 * * *`, or @hourly, @daily, @every 15m"
		fields    = "is not one of title, date, importance, status, location, tags, actors, sources, body"
		name      = "is not a name; write 1 to 63 of a-z, 0-9 and -, not beginning with -"
		address   = "is not host:port or unix:/path; write it like 127.0.0.1:8080"
		socket    = "is not unix: and the absolute path of a socket, 107 bytes at most; write it like unix:/run/tocsin/web.sock"
		hook      = "the value is not an absolute http or https URL; write it like https://hooks.example.org/path"
		whsec     = "the value is not whsec_ and 24 to 64 bytes in base64; make one with: echo whsec_$(openssl rand -base64 32)"
		zone      = "is not a time zone; write it like UTC or Europe/Berlin"
		clock     = "is not a time of day; write it like 22:00"
		date      = "is not a date; write it like 2025-01-28"
		hub       = `is not an absolute http or https URL; write it like https://hub.example.org/, or "" for none`
		bucket    = "write it like s3://bucket/prefix?endpoint=https://s3.example.org"
	)
	long := strings.Repeat("a", 64)
	for _, test := range []struct {
		text string
		want string // behind config.yaml: ; empty if the text is valid
	}{
		{nest("site", "title: ''"), "2: site.title: is empty; write a text"},
		{nest("site", `title: "a\nb"`), "2: site.title: " + line},
		{nest("site", "url: HTTPS://example.org:443/a/"), ""},
		{nest("site", "url: http://[::1]:8080"), ""},
		{nest("site", "url: ''"), `2: site.url: "" ` + siteURL},
		{nest("site", "url: /a"), `2: site.url: "/a" ` + siteURL},
		{nest("site", "url: example.org"), `2: site.url: "example.org" ` + siteURL},
		{nest("site", "url: ftp://example.org"), `2: site.url: "ftp://example.org" ` + siteURL},
		{nest("site", "url: https://"), `2: site.url: "https://" ` + siteURL},
		{nest("site", "url: http:example.org"), `2: site.url: "http:example.org" ` + siteURL},
		{nest("site", "url: https://example.org?"), `2: site.url: "https://example.org?" ` + siteURL},
		{nest("site", "url: https://example.org/?a"), `2: site.url: "https://example.org/?a" ` + siteURL},
		{nest("site", `url: "https://example.org/#a"`), `2: site.url: "https://example.org/#a" ` + siteURL},
		{nest("site", "url: https://a:b@example.org/"), `2: site.url: "https://a:b@example.org/" ` + siteURL},
		{nest("site", "url: https://example.org:99999/"), `2: site.url: "https://example.org:99999/" ` + siteURL},
		{nest("site", "url: https://example.org/a b"), `2: site.url: "https://example.org/a b" ` + siteURL},

		// RFC 4151, section 2.1 and its examples.
		{nest("site", "authority: timothy@hpl.hp.com,2001"), ""},
		{nest("site", "authority: sandro@w3.org,2004-05"), ""},
		{nest("site", "authority: my-ids.com,2001-09-15"), ""},
		{nest("site", "authority: a_b.c-d@x,2001"), ""},
		{nest("site", "authority: example.org"), `2: site.authority: "example.org" ` + authority},
		{nest("site", "authority: ',2025'"), `2: site.authority: ",2025" ` + authority},
		{nest("site", "authority: example.org,25"), `2: site.authority: "example.org,25" ` + authority},
		{nest("site", "authority: example.org,2025-13"), `2: site.authority: "example.org,2025-13" ` + authority},
		{nest("site", "authority: example.org,2025-02-30"), `2: site.authority: "example.org,2025-02-30" ` + authority},
		{nest("site", "authority: -a.org,2025"), `2: site.authority: "-a.org,2025" ` + authority},
		{nest("site", "authority: a-.org,2025"), `2: site.authority: "a-.org,2025" ` + authority},
		{nest("site", "authority: a..org,2025"), `2: site.authority: "a..org,2025" ` + authority},
		{nest("site", "authority: bücher.org,2025"), `2: site.authority: "bücher.org,2025" ` + authority},
		{nest("site", "authority: '@a.org,2025'"), `2: site.authority: "@a.org,2025" ` + authority},
		{nest("site", "authority: a+b@a.org,2025"), `2: site.authority: "a+b@a.org,2025" ` + authority},
		{nest("site", "authority: http://a.org,2025"), `2: site.authority: "http://a.org,2025" ` + authority},

		{nest("site", "language: pt-BR"), ""},
		{nest("site", "language: zh-Hant-TW"), ""},
		{nest("site", "language: ''"), `2: site.language: "" ` + language},
		{nest("site", "language: en_US"), `2: site.language: "en_US" ` + language},
		{nest("site", "language: english language"), `2: site.language: "english language" ` + language},
		{nest("site.author", "name: ' '"), "3: site.author.name: is empty; write a text"},
		{nest("site.author", "email: desk@example.org"), ""},
		{nest("site.author", "email: Desk <desk@example.org>"), `3: site.author.email: "Desk <desk@example.org>" ` + email},
		{nest("site.author", "email: desk"), `3: site.author.email: "desk" ` + email},
		{nest("site.author", "url: example.org"), `3: site.author.url: "example.org" is not an absolute http or https URL; write it like https://example.org/about`},
		{nest("site", "event_url: https://example.org/timeline/{id}/"), ""},
		{nest("site", "event_url: https://example.org?id={id}"), ""},
		{nest("site", `event_url: "https://example.org/#{id}"`), ""},
		{nest("site", "event_url: https://example.org/"), `2: site.event_url: "https://example.org/" ` + eventURL},
		{nest("site", "event_url: /timeline/{id}"), `2: site.event_url: "/timeline/{id}" ` + eventURL},
		{nest("site", "event_url: https://{id}.example.org/"), `2: site.event_url: "https://{id}.example.org/" ` + eventURL},
		{nest("site", "event_url: https://example{id}.org/"), `2: site.event_url: "https://example{id}.org/" ` + eventURL},
		{nest("site", "event_url: https://example.org/{id}/{slug}"), `2: site.event_url: "https://example.org/{id}/{slug}" ` + eventURL},
		{nest("site", "event_url: https://a@example.org/{id}"), `2: site.event_url: "https://a@example.org/{id}" ` + eventURL},
		{nest("site", "timezone: Europe/Berlin"), ""},
		{nest("site", "timezone: Berlin"), `2: site.timezone: "Berlin" is not a time zone; write it like UTC or Europe/Berlin`},
		{nest("site", "timezone: ''"), `2: site.timezone: "" is not a time zone; write it like UTC or Europe/Berlin`},

		{nest("events", "dir: ''"), "2: events.dir: is empty; name the folder of the event files"},
		{nest("events", "dir: s3://bucket/a"), "2: events.dir: a URL is not taken here, since events on object storage are not in this version; write a path"},
		{nest("events", "include: []"), `2: events.include: is empty, so that nothing would be read; write ["**/*.md"]`},
		{nest("events", `include: ["*.md", "[a"]`), `2: events.include[1]: "[a" ` + glob},
		{nest("events", `exclude: [""]`), `2: events.exclude[0]: "" ` + glob},
		{nest("events", `exclude: "{a,b"`), `2: events.exclude[0]: "{a,b" ` + glob},
		{nest("events", "max_bytes: 0"), "2: events.max_bytes: 0 is not a number of bytes over 0"},
		{nest("events.fields", "status: []"), ""},
		{nest("events.importance_words", "high: 11"), "3: events.importance_words.high: 11 is not between 1 and 10"},
		{nest("events.importance_words", "none: 0"), "3: events.importance_words.none: 0 is not between 1 and 10"},
		{nest("events.importance_words", "'': 1"), "3: events.importance_words.…: an empty word; write one, or remove the line"},
		{nest("events.importance_words", "High: 7\nhigh: 8"), "4: events.importance_words.high: is the same as another key but for case; remove one of the two"},
		{nest("events.status_words", "{true: resolved, false: open, Mitigated: resolved}"), ""},
		{nest("events.status_words", "true: ' '"), "3: events.status_words.true: an empty word; write `word: the status to use`"},
		{nest("events.status_words", "'': open"), "3: events.status_words.…: an empty word; write `word: the status to use`"},
		{nest("events.status_words", "True: a\ntrue: b"), "4: events.status_words.true: is the same as another key but for case; remove one of the two"},
		{nest("events", "importance_default: 11"), "2: events.importance_default: 11 is not between 0 and 10"},
		{nest("events", "importance_default: -1"), "2: events.importance_default: -1 is not between 0 and 10"},
		{nest("events", `date_layouts: [2 January 2006, 02.01.06, "2006-01-02T15:04"]`), ""},
		{nest("events", "date_layouts: [YYYY-MM-DD]"), `2: events.date_layouts[0]: "YYYY-MM-DD" ` + layout},
		{nest("events", "date_layouts: ['']"), `2: events.date_layouts[0]: "" ` + layout},
		{nest("events", "date_layouts: [2 January]"), `2: events.date_layouts[0]: "2 January" ` + layout},
		{nest("events.aliases.tags", "a: ' '"), "4: events.aliases.tags.a: an empty name; write `other spelling: the name to use`"},
		{nest("events.aliases.actors", "'': a"), "4: events.aliases.actors.…: an empty name; write `other spelling: the name to use`"},

		{nest("watch", "settle: 1ms"), ""},
		{nest("watch", "settle: 999us"), "2: watch.settle: 999µs is not long enough; write 1ms or more"},
		{nest("watch", "settle: 11s"), "2: watch.max_delay: is shorter than watch.settle; make it longer, or watch.settle shorter"},
		{nest("watch", "settle: 2s\nmax_delay: 1s"), "3: watch.max_delay: is shorter than watch.settle; make it longer, or watch.settle shorter"},
		{nest("watch", "settle: 2s\nmax_delay: 2s"), ""},
		{nest("watch", "rescan: '@every 1s'"), ""},
		{nest("watch", "rescan: '@daily'"), ""},
		{nest("watch", "rescan: 'CRON_TZ=Europe/Berlin 30 2 29 2 *'"), ""},
		{nest("watch", "rescan: ''"), `2: watch.rescan: "" is not a schedule (empty spec string); ` + cronHint},
		{nest("watch", "rescan: '* * * *'"), `2: watch.rescan: "* * * *" is not a schedule (expected exactly 5 fields, found 4: [* * * *]); ` + cronHint},
		{nest("watch", "rescan: '@every 0s'"), `2: watch.rescan: "@every 0s" is not a schedule (an interval of 1s or more should follow @every); ` + cronHint},
		{nest("watch", "rescan: '@every -5m'"), `2: watch.rescan: "@every -5m" is not a schedule (an interval of 1s or more should follow @every); ` + cronHint},
		{nest("watch", "rescan: 'TZ=UTC @every 999ms'"), `2: watch.rescan: "TZ=UTC @every 999ms" is not a schedule (an interval of 1s or more should follow @every); ` + cronHint},
		{nest("watch", "rescan: 'TZ=UTC'"), `2: watch.rescan: "TZ=UTC" is not a schedule (a time zone without fields); ` + cronHint},
		{nest("watch", "rescan: '0 0 * * 7'"), `2: watch.rescan: "0 0 * * 7" is not a schedule (end of range (7) above maximum (6): 7); ` + cronHint},
		{nest("watch", "rescan: '0 0 30 2 *'"), `2: watch.rescan: "0 0 30 2 *" never comes; write a day that exists`},
		{nest("watch", "poll: 100ms"), ""},
		{nest("watch", "poll: 99ms"), "2: watch.poll: 99ms is not an interval to poll at; write 0s for none, or at least 100ms"},
		{nest("watch", "poll: -1s"), "2: watch.poll: -1s is not an interval to poll at; write 0s for none, or at least 100ms"},

		{nest("feeds", "formats: [json]"), ""},
		{nest("feeds", "formats: []"), "2: feeds.formats: is empty; write one or more of atom, rss, json"},
		{nest("feeds", "formats: [atom, jsno]"), "2: feeds.formats[1]: \"jsno\" is not one of atom, rss, json; did you mean `json`?"},
		{nest("feeds", "formats: [atom, atom]"), `2: feeds.formats[1]: "atom" stands in the list already; remove it`},
		{nest("feeds", "entries: 0"), "2: feeds.entries: 0 is not between 1 and 1000"},
		{nest("feeds", "entries: 1001"), "2: feeds.entries: 1001 is not between 1 and 1000"},
		{nest("feeds", "window: -1s"), "2: feeds.window: -1s is not long enough; write 0s or more"},
		{nest("feeds", "window: 0s"), ""},
		{nest("feeds", "min_events: 0"), "2: feeds.min_events: 0 is not a number of events; write 1 or more"},
		{nest("feeds", "content: sumary"), "2: feeds.content: \"sumary\" is not one of full, summary; did you mean `summary`?"},
		{nest("feeds", "dir: s3://bucket"), ""},
		{nest("feeds", "dir: 's3://a.bucket-1/a/b/?endpoint=http://[::1]:9000/&region=eu-central-1'"), ""},
		{nest("feeds", "dir: https://bucket.example.org/a"), "2: feeds.dir: a URL other than s3:// is not taken here; write the path of a folder, or a bucket: " + bucket},
		{nest("feeds", "dir: s3://b"), "2: feeds.dir: does not have the name of a bucket behind s3://: 3 to 63 of a-z, 0-9, - and dots; " + bucket},
		{nest("feeds", "dir: s3://Bucket/a"), "2: feeds.dir: does not have the name of a bucket behind s3://: 3 to 63 of a-z, 0-9, - and dots; " + bucket},
		{nest("feeds", "dir: s3://bucket:9000/a"), "2: feeds.dir: does not have the name of a bucket behind s3://: 3 to 63 of a-z, 0-9, - and dots; " + bucket},
		{nest("feeds", "dir: s3://a..b/a"), "2: feeds.dir: does not have the name of a bucket behind s3://: 3 to 63 of a-z, 0-9, - and dots; " + bucket},
		{nest("feeds", "dir: 's3://buc ket/a'"), "2: feeds.dir: is not a URL; " + bucket},
		{nest("feeds", "dir: s3://bucket/a/../b"), "2: feeds.dir: has a prefix with an empty part, dots or control characters in it; " + bucket},
		{nest("feeds", "dir: s3://bucket/a//b"), "2: feeds.dir: has a prefix with an empty part, dots or control characters in it; " + bucket},
		{nest("feeds", "dir: s3://key:c4n4ry@bucket/a"), "2: feeds.dir: has credentials in it; write them into feeds.s3, best as access_key_id_file and secret_access_key_file"},
		{nest("feeds", "dir: s3://bucket/?endpoint=s3.example.org"), "2: feeds.dir: has an endpoint that is not http:// or https:// and a host alone; " + bucket},
		{nest("feeds", "dir: s3://bucket/?endpoint=https://c4n4ry:c4n4ry@s3.example.org"), "2: feeds.dir: has credentials in it; write them into feeds.s3, best as access_key_id_file and secret_access_key_file"},
		{nest("feeds", "dir: s3://bucket/?endpoint=https://c4n4ry:c4n4ry%40s3.example.org"), "2: feeds.dir: has an endpoint that is not http:// or https:// and a host alone; " + bucket},
		{nest("feeds", "dir: s3://bucket/?endpoint=https://s3.example.org/path"), "2: feeds.dir: has an endpoint that is not http:// or https:// and a host alone; " + bucket},
		{nest("feeds", "dir: s3://bucket/?region=a/b"), "2: feeds.dir: has a region that is not letters, digits and hyphens; write it like region=eu-central-1"},
		{nest("feeds", "dir: s3://bucket/?secret=c4n4ry"), "2: feeds.dir: says more than endpoint and region behind the ?; " + bucket},
		{nest("feeds", "dir: s3://bucket/?region=a&region=b"), "2: feeds.dir: says more than endpoint and region behind the ?; " + bucket},
		{nest("feeds", "dir: 's3://bucket/#a'"), "2: feeds.dir: is not a URL of a bucket; " + bucket},
		{nest("feeds", "dir: s3://bucket\ns3: {access_key_id: a, secret_access_key: c4n4ry}"), ""},
		{nest("feeds", "dir: s3://bucket\ns3: {access_key_id: a}"), "3: feeds.s3.secret_access_key: missing beside the other one; write both, or none"},
		{nest("feeds", "dir: s3://bucket\ns3: {access_key_id: a, secret_access_key: 'c4n4ry b'}"), "3: feeds.s3.secret_access_key: the value is not a key; write one line without spaces"},
		{nest("feeds", "dir: out\ns3: {access_key_id: a, secret_access_key: c4n4ry}"), "3: feeds.s3: is for a bucket, and feeds.dir names none; remove it, or write it there like s3://bucket/prefix?endpoint=https://s3.example.org"},
		{nest("feeds", "hub: https://hub.example.org/publish?key=a"), ""},
		{nest("feeds", "hub: hub.example.org"), `2: feeds.hub: "hub.example.org" ` + hub},
		{nest("feeds", "hub: ftp://hub.example.org/"), `2: feeds.hub: "ftp://hub.example.org/" ` + hub},
		{nest("feeds", "hub: 'https://hub.example.org/>,<x'"), `2: feeds.hub: "https://hub.example.org/>,<x" ` + hub},
		{nest("feeds", "hub: https://c4n4ry@hub.example.org/"), "2: feeds.hub: has a user or a password in it, which would stand in every feed; remove what is before the @"},
		{nest("feeds", "hub: https://a:c4n4ry@hub.example.org/"), "2: feeds.hub: has a user or a password in it, which would stand in every feed; remove what is before the @"},
		{nest("feeds", "hub: 'https://hub.example.org/#a'"), "2: feeds.hub: has a fragment, which is never sent; remove the # and what follows it"},
		{nest("feeds", "archives: no"), "2: feeds.archives: \"no\" is not one of all, none"},
		{nest("feeds", "write: feed"), "2: feeds.write: \"feed\" is not one of all, feeds; did you mean `feeds`?"},
		{nest("feeds", "significant: [title, summary]"), `2: feeds.significant[1]: "summary" ` + fields},
		{nest("feeds", "significant: [title, date, importance, status, location, tags, actors, sources, body]"), ""},
		{nest("feeds", "significant: [withdrawn]"), `2: feeds.significant[0]: "withdrawn" ` + fields},
		{nest("feeds", "custom:\n  - title: x"), "3: feeds.custom[0].name: missing; write one with a-z, 0-9 and -"},
		{nest("feeds", "custom:\n  - name: A"), `3: feeds.custom[0].name: "A" ` + name},
		{nest("feeds", "custom:\n  - name: -a"), `3: feeds.custom[0].name: "-a" ` + name},
		{nest("feeds", "custom:\n  - name: a/b"), `3: feeds.custom[0].name: "a/b" ` + name},
		{nest("feeds", "custom:\n  - name: "+long), `3: feeds.custom[0].name: "` + long[:60] + `…" ` + name},
		{nest("feeds", "custom:\n  - name: "+long[:63]), ""},
		{nest("feeds", "custom:\n  - name: a\n  - name: b\n  - name: a"), `5: feeds.custom[2].name: "a" is the name of feeds.custom[0] too; choose another`},
		{nest("feeds", "custom:\n  - name: a\n    title: \"a\\tb\""), "4: feeds.custom[0].title: " + line},
		{nest("feeds", "custom:\n  - name: a\n    match: {tags: [x, '']}"), "4: feeds.custom[0].match.tags[1]: an empty name, which nothing has; write one, or remove it"},
		{nest("feeds", "custom:\n  - name: a\n    match: {max_importance: 11}"), "4: feeds.custom[0].match.max_importance: 11 is not between 0 and 10"},

		{nest("web", "listen: ':0'\nadmin: ':0'"), ""},
		{nest("web", "listen: '[::1]:80'\nadmin: ''"), ""},
		{nest("web", "listen: unix:/run/tocsin/web.sock"), ""},
		{nest("web", "listen: ''"), `2: web.listen: "" ` + address},
		{nest("web", "listen: localhost"), `2: web.listen: "localhost" ` + address},
		{nest("web", "listen: localhost:http"), `2: web.listen: "localhost:http" ` + address},
		{nest("web", "listen: localhost:65536"), `2: web.listen: "localhost:65536" ` + address},
		{nest("web", "listen: http://localhost:80"), `2: web.listen: "http://localhost:80" ` + address},
		{nest("web", "listen: unix:web.sock"), `2: web.listen: "unix:web.sock" ` + socket},
		{nest("web", "listen: unix:/"+long+long), `2: web.listen: "unix:/` + long[:54] + `…" ` + socket},
		{nest("web", "admin: 8081"), `2: web.admin: "8081" ` + address},
		{nest("web", "admin: 127.0.0.1:8080"), `2: web.admin: is the address of web.listen; choose another port, or "" for none`},

		{nest("notify", "first_run: send"), ""},
		{nest("notify", "first_run: silence"), "2: notify.first_run: \"silence\" is not one of silent, send; did you mean `silent`?"},
		{"notify:\n  sinks:\n    - {}", "3: notify.sinks[0].name: missing; write one with a-z, 0-9 and -\n" +
			"config.yaml:3: notify.sinks[0].type: missing; choose one of " + strings.Join(sinkTypes, ", ") + "\n" +
			"config.yaml:3: notify.sinks[0].url: missing; say where to send, as url or url_file"},
		{sink("") + "    - name: a\n      type: slack\n      url: https://example.org/", `7: notify.sinks[1].name: "a" is the name of notify.sinks[0] too; choose another`},
		{sinkWith("name", "websub"), "3: notify.sinks[0].name: websub is what the hub of feeds.hub is called; choose another"},
		{sinkWith("type", "websub"), `4: notify.sinks[0].type: "websub" is not one of ` + strings.Join(sinkTypes, ", ")},
		{sinkWith("type", "slak"), "4: notify.sinks[0].type: \"slak\" is not one of " + strings.Join(sinkTypes, ", ") + "; did you mean `slack`?"},
		{sinkWith("type", "gotify"), ""},
		{sinkWith("url", "http://127.0.0.1:9/x?y=z"), ""},
		{sinkWith("url", "hooks.example.org/c4n4ry"), "5: notify.sinks[0].url: " + hook},
		{sinkWith("url", "ftp://hooks.example.org/"), "5: notify.sinks[0].url: " + hook},
		{sinkWith("url", "''"), "5: notify.sinks[0].url: missing; say where to send, as url or url_file"},
		{sink("match: {min_importance: 11}"), "6: notify.sinks[0].match.min_importance: 11 is not between 0 and 10"},
		{sink("match: {min_importance: 8, max_importance: 7}"), "6: notify.sinks[0].match.max_importance: is less than min_importance, so that nothing matches; write more, or 0 for no limit"},
		{sink("match: {min_importance: 8, max_importance: 8, from: 0044-03-15, to: 0044-03-15}"), ""},
		{sink("match: {from: 2025-02-29}"), `6: notify.sinks[0].match.from: "2025-02-29" ` + date},
		{sink("match: {to: 1.2.2025}"), `6: notify.sinks[0].match.to: "1.2.2025" ` + date},
		{sink("match: {from: 2025-02-02, to: 2025-02-01}"), "6: notify.sinks[0].match.to: is before from, so that nothing matches; write a later date"},
		{sink("on: []"), "6: notify.sinks[0].on: is empty; write one or more of new, updated, raised, withdrawn"},
		{sink("on: [new, update]"), "6: notify.sinks[0].on[1]: \"update\" is not one of new, updated, raised, withdrawn; did you mean `updated`?"},
		{sink("fields: [title, url]"), `6: notify.sinks[0].fields[1]: "url" ` + fields},
		{sink("fields: []"), ""},
		{sink("burst: -1"), "6: notify.sinks[0].burst: -1 is not a number of messages; write 0 for never, or more"},
		{sink("burst: 0\nrate: 0"), ""},
		{sink("rate: fast"), `6: notify.sinks[0].rate: "fast" is not a rate; write 1/s, 20/m or 100/h, or 0 for no limit`},
		{sink("digest: {timezone: Mars}"), `6: notify.sinks[0].digest.timezone: "Mars" ` + zone},
		{sink("quiet: {from: 22:00, to: 06:30, timezone: Europe/Berlin}"), ""},
		{sink("quiet: {timezone: ''}"), `6: notify.sinks[0].quiet.timezone: "" ` + zone},
		{sink("quiet: {from: 22:00, to: 06:30, except_importance: 11}"), "6: notify.sinks[0].quiet.except_importance: 11 is not an importance; write 1 to 10, or 0 for none"},
		{sink("updates: edit"), "6: notify.sinks[0].updates: \"edit\" is not what a sink of type webhook can do; write post, or take one of discord, matrix, telegram, ntfy"},
		{sink("updates: thread"), "6: notify.sinks[0].updates: \"thread\" is not what a sink of type webhook can do; write post, or take one of discord, googlechat, zulip, matrix, telegram"},
		{strings.Replace(sink("updates: thread"), "webhook", "slack", 1), "6: notify.sinks[0].updates: \"thread\" is not what a sink of type slack can do; write post, or take one of discord, googlechat, zulip, matrix, telegram"},
		{sink("updates: threads"), "6: notify.sinks[0].updates: \"threads\" is not one of post, edit, thread; did you mean `thread`?"},
		{sink("quiet: {from: 22:00}"), `6: notify.sinks[0].quiet: has one of from and to; write both, or "" for both`},
		{sink("quiet: {from: 22:00, to: 22:00}"), `6: notify.sinks[0].quiet.to: is the same as from; write another time, or "" for both`},
		{sink("quiet: {from: 24:00, to: 6:00}"), `6: notify.sinks[0].quiet.from: "24:00" ` + clock + "\n" + `config.yaml:6: notify.sinks[0].quiet.to: "6:00" ` + clock},
		{sink("retry_for: 0s"), "6: notify.sinks[0].retry_for: 0s is not a time to go on trying; write more than 0s"},
		{sink("secret: " + secret32), ""},
		{sink("secret: [" + secret24 + ", " + secret64 + "]"), ""},
		{sink("secret: []"), ""},
		{sink("secret: ''"), ""},
		{sink("secret: c4n4ry"), "6: notify.sinks[0].secret[0]: " + whsec},
		{sink("secret: whsec_"), "6: notify.sinks[0].secret[0]: " + whsec},
		{sink("secret: whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="), "6: notify.sinks[0].secret[0]: " + whsec},
		{sink("secret: " + secret24[:12] + "_" + secret24[13:]), "6: notify.sinks[0].secret[0]: " + whsec},
		{sink("secret: whsec_" + strings.Repeat("AAAA", 22)), "6: notify.sinks[0].secret[0]: " + whsec},
		{sink("secret: \"" + secret24[:12] + "\\n" + secret24[12:] + "\""), "6: notify.sinks[0].secret[0]: " + whsec},
		{sink("secret: [" + secret24 + ", '']"), "6: notify.sinks[0].secret[1]: " + whsec},
		{sink("secret: [" + secret24 + ", " + secret24 + ", " + secret24 + "]"), "6: notify.sinks[0].secret: has 3 secrets; two are enough for rotation, the new one first"},
		{strings.Replace(sink("secret: "+secret24), "webhook", "slack", 1), "6: notify.sinks[0].secret: only a sink of type webhook signs; remove it"},
		{sink("ca: c4n4ry"), "6: notify.sinks[0].ca: holds no certificate in PEM; it begins with -----BEGIN CERTIFICATE-----"},
		{sink("ca: ''"), ""},
		{sink("headers: {Authorization: Bearer x, x-a: ''}"), ""},
		{sink("headers:\n  a b: c"), "7: notify.sinks[0].headers.…: not the name of a header; write it like Authorization"},
		{sink("headers:\n  host: c"), "7: notify.sinks[0].headers.host: this header is tocsin's own; remove it"},
		{sink("headers:\n  webhook-id: c"), "7: notify.sinks[0].headers.webhook-id: this header is tocsin's own; remove it"},
		{sink("headers:\n  X: \"c4n4ry\\r\\nY: z\""), "7: notify.sinks[0].headers.X: the value is not the value of a header; write one line"},
		{sink("headers:\n  x: a\n  X: b"), "7: notify.sinks[0].headers.x: is the same as another key but for case; remove one of the two"},
		{strings.Replace(sink("template: {title: '{{.Title}}', body: '{{range .Tags}}{{.}}{{end}}'}"), "webhook", "slack", 1), ""},
		{sink("template: {title: '', body: ''}"), ""},
		{sink("template: {title: x}"), "6: notify.sinks[0].template: is not for a webhook, whose body is for programs; remove it"},
		{strings.Replace(sink("template: {title: '{{.Title'}"), "webhook", "slack", 1), "6: notify.sinks[0].template.title: not a template (template: :1: unclosed action); see text/template for what it may say"},
		{strings.Replace(sink("template: {body: '{{nope}}'}"), "webhook", "slack", 1), "6: notify.sinks[0].template.body: not a template (template: :1: function \"nope\" not defined); see text/template for what it may say"},

		{"store: ''", "1: store: is empty; name a file, such as state/tocsin.db"},
		{"store: postgres://user:c4n4ry@db/tocsin", ""},
		{"store: postgresql://db/tocsin", ""},
		{"store: mysql://user:c4n4ry@db/tocsin", "1: store: is a URL of something else; write the path of a file, or the address of a PostgreSQL database like postgres://tocsin@db.example.org/tocsin"},
	} {
		t.Run(test.text, func(t *testing.T) {
			got := ""
			if _, err := Parse("config.yaml", []byte(test.text), Env{}); err != nil {
				got = err.Error()
			}
			want := ""
			if test.want != "" {
				want = "config.yaml:" + test.want
			}
			if got != want {
				t.Errorf("from:\n%s\n got %s\nwant %s", test.text, got, want)
			}
		})
	}
}

// sinkWith is a sink with another value for one of its three required keys.
func sinkWith(key, value string) string {
	lines := strings.Split(sink(""), "\n")
	for i, line := range lines {
		if before, _, ok := strings.Cut(line, key+": "); ok {
			lines[i] = before + key + ": " + value
		}
	}
	return strings.Join(lines, "\n")
}

func TestSiteURLHasNoSlashAtItsEnd(t *testing.T) {
	for text, want := range map[string]string{
		"https://example.org":      "https://example.org",
		"https://example.org/":     "https://example.org",
		"https://example.org/a/b/": "https://example.org/a/b",
	} {
		if got := mustParse(t, nest("site", "url: "+text), Env{}).Site.URL; got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
