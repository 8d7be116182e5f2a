// Package config turns a strict YAML file into validated values.
//
// The work has three steps, one file each:
//
//  1. decode.go walks the YAML tree along the struct types of this file. It
//     knows their `yaml` tags and nothing of their meaning: unknown and
//     repeated keys, wrong types, ${NAME} and the _file form of a secret are
//     decided here. What a key does not say keeps the value of [Default].
//  2. paths that are relative become relative to the configuration's folder.
//  3. check.go knows the meaning: one function a section, each rule with the
//     key that it is about.
//
// Every fault is an [Error] with the file, the line and the key. Steps 1 and 3
// go on after a fault, so that one run reports them all, in the order of their
// lines. What came out of the environment or out of a file is never quoted in
// a message, and neither is any [Secret].
//
// The package reads no environment and no other file by itself: [Env] does.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxSize is the largest configuration, and the largest file with a secret,
// that is read: 1 MiB.
const maxSize = 1 << 20

// The two places where [Find] looks.
const (
	localPath  = "config.yaml"
	systemPath = "/etc/tocsin/config.yaml"
)

// Config is a whole configuration, every value valid. An empty list or map is
// nil, whether the file says `[]` or nothing.
type Config struct {
	// Path is the file that this configuration came from, as it was named.
	Path string `yaml:"-"`

	Site   Site   `yaml:"site"`
	Events Events `yaml:"events"`

	// Check says what `tocsin check` makes of what each of its rules finds: error,
	// warning or off. Its keys are the rules. Default: warning, for each.
	Check map[string]string `yaml:"check"`

	Watch  Watch  `yaml:"watch"`
	Feeds  Feeds  `yaml:"feeds"`
	Web    Web    `yaml:"web"`
	Notify Notify `yaml:"notify"`

	// Store is where is kept what the world has been told: the path of a SQLite
	// file, or the address of a PostgreSQL database (postgres://…), which may hold a
	// password; the file may say store_file instead. Relative paths are relative to
	// the configuration's folder. Default: state/tocsin.db.
	Store Secret `yaml:"store"`
}

// Site says how the outside world names this timeline.
type Site struct {
	// Title is the name of the timeline, one line. Default: "Public record".
	Title string `yaml:"title"`

	// URL is what every absolute link is made from, never a request: absolute
	// http or https without user, query and fragment. It is kept without a
	// slash at its end. Default: http://localhost:8080.
	URL string `yaml:"url"`

	// Authority is the tagging entity of all tag: URIs, `NAME,DATE` by
	// RFC 4151, section 2.1: a domain or e-mail address that was yours on that
	// date (YYYY, YYYY-MM or YYYY-MM-DD). Changing it gives every entry a new
	// id. Default: localhost,2025.
	Authority string `yaml:"authority"`

	// Language is the BCP 47 tag of the content. Default: en.
	Language string `yaml:"language"`

	// Timezone is the IANA name of the zone in which times of events that name
	// none are read. Default: UTC.
	Timezone string `yaml:"timezone"`

	// Author stands in every feed.
	Author Author `yaml:"author"`

	// EventURL is where an event's page is, with {id} in its place: absolute
	// http or https. Default: empty, tocsin's own pages.
	EventURL string `yaml:"event_url"`
}

// Author is the author of all feeds.
type Author struct {
	// Name is the author's name, one line. Default: "Public record".
	Name string `yaml:"name"`
	// Email is a plain address, or empty. Default: empty.
	Email string `yaml:"email"`
	// URL is absolute http or https, or empty. Default: empty.
	URL string `yaml:"url"`
}

// Events says which files are events, and how they are read.
type Events struct {
	// Dir is the folder of the event files. Relative paths are relative to the
	// configuration's folder. Default: seeds.
	Dir string `yaml:"dir"`

	// Include are patterns of paths below Dir, with / and **; a file is read
	// when one of them matches and none of Exclude. At least one.
	// Default: **/*.md.
	Include []string `yaml:"include"`

	// Exclude are patterns like those of Include. Default: none.
	Exclude []string `yaml:"exclude"`

	// MaxBytes is the size of the largest file that is read, in bytes, over 0.
	// Default: 1048576 (1 MiB).
	MaxBytes int64 `yaml:"max_bytes"`

	// Fields says where each field of an event is found: its candidates, the first
	// that is present wins. Each is the path of a key in the front matter
	// (meta.title), a constant (=7), a regular expression for the file's path
	// (path:…), a heading (heading:1) or a paragraph (paragraph:1). Its keys are
	// always all of title, date, importance, tags, actors, location, status,
	// draft, id, summary, sources, last_updated, published and expires; the file
	// replaces the list of those that it names. Default: the field's own name;
	// status also under verification_status, expires nowhere.
	Fields map[string][]string `yaml:"fields"`

	// Split cuts one text that stands for a list of names.
	Split Split `yaml:"split"`

	// ImportanceWords gives words an importance, 1 to 10. The keys are in lower
	// case: words compare without regard to case. Default: none.
	ImportanceWords map[string]int `yaml:"importance_words"`

	// ImportanceDefault is the importance of an event that says none, 0 to 10.
	// Default: 0.
	ImportanceDefault int `yaml:"importance_default"`

	// StatusWords gives words the status to use. The keys are in lower case: words
	// compare without regard to case. Default: none; a true is resolved, and a
	// false open.
	StatusWords map[string]string `yaml:"status_words"`

	// DateLayouts are layouts in the notation of package time, tried after
	// RFC 3339 and YYYY-MM-DD. Default: none.
	DateLayouts []string `yaml:"date_layouts"`

	// Aliases join spellings.
	Aliases Aliases `yaml:"aliases"`
}

// Split says at what one text is cut that stands for a list: at this, or, where it is
// blank, at white space. A single value in the file is for tags and actors.
type Split struct {
	// Tags of events. Default: empty, one text is one name.
	Tags string `yaml:"tags"`
	// Actors of events. Default: empty, one text is one name.
	Actors string `yaml:"actors"`
}

// Aliases map another spelling to the name that is used for it.
type Aliases struct {
	// Tags of events. Default: none.
	Tags map[string]string `yaml:"tags"`
	// Actors of events. Default: none.
	Actors map[string]string `yaml:"actors"`
}

// Watch says when the folder is read again.
type Watch struct {
	// Settle is the quiet time before a burst of changes is read, at least
	// 1 ms. Less than the default risks torn reads. Default: 500ms.
	Settle time.Duration `yaml:"settle"`

	// MaxDelay is when a burst that never rests is read all the same, at least
	// Settle. Default: 10s.
	MaxDelay time.Duration `yaml:"max_delay"`

	// Rescan is when everything is compared, for what no notification reports:
	// five cron fields, or @hourly and the like, or @every with at least one
	// second. Default: @every 15m.
	Rescan string `yaml:"rescan"`

	// Poll, when over 0, compares everything at this interval instead of
	// waiting for notifications, for network file systems: 0 or at least
	// 100 ms. Default: 0s.
	Poll time.Duration `yaml:"poll"`

	// Hold says when a withdrawal is held.
	Hold Hold `yaml:"hold"`

	// Lag is for how long a process that takes over from another, whose checkout of the
	// folder it does not share, takes old states in its own for not brought up to date
	// yet, and not for edits: 0 or more. It is about stores in PostgreSQL. Default: 10m.
	Lag time.Duration `yaml:"lag"`
}

// Hold says how much is withdrawn at once without being asked for: a withdrawal
// of more than Events events that are more than Percent of all is held until they
// are back, or until `tocsin accept`.
type Hold struct {
	// Events is 0 or more. Default: 100.
	Events int `yaml:"events"`

	// Percent is 0 to 100; at 100 nothing is held. Default: 50.
	Percent int `yaml:"percent"`
}

// Feeds says which feeds there are and what stands in them.
type Feeds struct {
	// Formats are one or more of atom, rss and json. Default: all three.
	Formats []string `yaml:"formats"`

	// Entries is the number of entries in a feed, 1 to 1000. Default: 50.
	Entries int `yaml:"entries"`

	// Window is the time in which all entries stay in, even beyond Entries;
	// 0 or more. Default: 336h (14 days).
	Window time.Duration `yaml:"window"`

	// MinEvents is the number of events below which a tag or an actor has no
	// feed, at least 1. Default: 1.
	MinEvents int `yaml:"min_events"`

	// Archives of what feeds show no more (RFC 5005): all or none. Default: all.
	Archives string `yaml:"archives"`

	// Content is full (the whole text) or summary. Default: full.
	Content string `yaml:"content"`

	// Dir is a folder into which everything is also written, for any web
	// server; relative paths are relative to the configuration's folder. Or it
	// is s3://BUCKET/PREFIX?endpoint=URL&region=NAME. Default: empty, none.
	Dir string `yaml:"dir"`

	// Write is what is written into Dir: all, or feeds, which are these and the list
	// of them alone. Default: all.
	Write string `yaml:"write"`

	// Bucket is what Dir says where that is s3://; else nil.
	Bucket *Bucket `yaml:"-"`

	// S3 are the credentials of that bucket.
	S3 S3 `yaml:"s3"`

	// Significant are the fields whose change moves an entry's updated time:
	// some of title, date, importance, status, location, tags, actors, sources,
	// body. Default: title, date, importance, status, body.
	Significant []string `yaml:"significant"`

	// Corrections are the fields whose change gets an entry of its own: those
	// of Significant, and withdrawn. Default: title, date, status, withdrawn.
	Corrections []string `yaml:"corrections"`

	// Hub is the URL of the WebSub hub to announce and to ping, absolute http
	// or https without user and fragment: it stands in every feed, for all to
	// read. Default: empty, none.
	Hub string `yaml:"hub"`

	// Custom are feeds of their own, each by a match. Default: none.
	Custom []Custom `yaml:"custom"`
}

// Bucket is where an object store has what is published.
type Bucket struct {
	// Name is the bucket's: 3 to 63 of a-z, 0-9, - and dots.
	Name string
	// Prefix begins the keys of all objects, without slashes at its ends; empty:
	// none.
	Prefix string
	// Endpoint is the address of the store: http or https and a host. Default:
	// Amazon's.
	Endpoint string
	// Region is that of the bucket; empty: asked of the store.
	Region string
}

// String returns s3://NAME/PREFIX, which holds nothing secret.
func (b *Bucket) String() string { return strings.TrimSuffix("s3://"+b.Name+"/"+b.Prefix, "/") }

// S3 are credentials of an object store, both or none. Default: empty, those of
// the environment (AWS_ACCESS_KEY_ID and so on), of the shared file
// (~/.aws/credentials), and at Amazon those of the machine.
type S3 struct {
	// AccessKeyID names the key.
	AccessKeyID Secret `yaml:"access_key_id"`
	// SecretAccessKey signs by it.
	SecretAccessKey Secret `yaml:"secret_access_key"`
}

// Custom is one feed with a name and a match of its own.
type Custom struct {
	// Name is its name in URLs: 1 to 63 of a-z, 0-9 and -, not beginning with
	// -, unlike that of every other custom feed. Required.
	Name string `yaml:"name"`
	// Title is its name for readers, one line. Default: Name.
	Title string `yaml:"title"`
	// Match chooses its events. Default: all events.
	Match Match `yaml:"match"`
}

// Web says where the pages and feeds are served.
type Web struct {
	// Listen is host:port, or unix: and an absolute path. A socket from systemd
	// takes its place. Default: 127.0.0.1:8080.
	Listen string `yaml:"listen"`

	// Admin is where health, metrics and deliveries are served: like Listen, or
	// empty for none. Default: 127.0.0.1:8081.
	Admin string `yaml:"admin"`
}

// Notify says who is told of changes.
type Notify struct {
	// FirstRun is silent (what the first look finds is told to nobody) or send.
	// Default: silent.
	FirstRun string `yaml:"first_run"`

	// Sinks are where messages go. Default: none.
	Sinks []Sink `yaml:"sinks"`
}

// HubSink is what the hub of feeds.hub is called among the sinks.
const HubSink = "websub"

// Sink is one place where messages go. Its defaults are those of
// [DefaultSink].
type Sink struct {
	// Name is the name of the sink in logs and commands: 1 to 63 of a-z, 0-9
	// and -, not beginning with -, unlike that of every other sink, and not
	// HubSink. Required.
	Name string `yaml:"name"`

	// Type is what the sink speaks: webhook, slack, discord, mattermost,
	// rocketchat, teams, googlechat, zulip, matrix, telegram, ntfy or gotify.
	// Required.
	Type string `yaml:"type"`

	// URL is where messages are sent, absolute http or https. Required; the
	// file may say url_file instead.
	URL Secret `yaml:"url"`

	// Match chooses the events. Default: all events.
	Match Match `yaml:"match"`

	// On are the changes that are sent, one or more of new, updated, raised and
	// withdrawn. Default: all four.
	On []string `yaml:"on"`

	// Fields are the fields whose change makes an update worth sending: some of
	// title, date, importance, status, location, tags, actors, sources, body.
	// Default: title, date, importance, status.
	Fields []string `yaml:"fields"`

	// Burst is the number of messages in a batch over which the batch goes out
	// as one summary; 0: never. Default: 10.
	Burst int `yaml:"burst"`

	// Rate is the most that is sent, in messages per second. Default: 1/s.
	Rate Rate `yaml:"rate"`

	// Updates says what further messages about an event do: post, each a message of its
	// own; edit, an update changes the last one, which discord, matrix, telegram and
	// ntfy can; thread, all go into a thread of the event, which discord (in a forum),
	// googlechat, zulip, matrix and telegram can. Default: post.
	Updates string `yaml:"updates"`

	// Digest collects messages and sends them together.
	Digest Digest `yaml:"digest"`

	// Quiet holds messages for a part of the day.
	Quiet Quiet `yaml:"quiet"`

	// RetryFor is how long a delivery is tried again before it counts as
	// failed, over 0. Default: 72h.
	RetryFor time.Duration `yaml:"retry_for"`

	// Secrets sign the messages of a webhook by Standard Webhooks: none, one,
	// or two for rotation (both sign). Each begins with whsec_ and goes on with
	// 24 to 64 bytes in base64. The file says `secret`, one string or a list,
	// or secret_file. Default: none, unsigned.
	Secrets []Secret `yaml:"secret"`

	// Headers are sent with every message. In the file a value is a string or
	// {file: PATH}; the keys are in their canonical form (Content-Language).
	// Those that tocsin sets itself are refused. Default: none.
	Headers map[string]Secret `yaml:"headers"`

	// CA holds certificates in PEM that are trusted beside the system's. The file says
	// `ca`, or ca_file. Default: none.
	CA Secret `yaml:"ca"`

	// Template replaces the message's own words.
	Template Template `yaml:"template"`
}

// Digest says when collected messages are sent.
type Digest struct {
	// Schedule is five cron fields, or @daily and the like. Default: empty,
	// every message at once.
	Schedule string `yaml:"schedule"`
	// Timezone is the IANA name of the zone of Schedule. Default: UTC.
	Timezone string `yaml:"timezone"`
}

// Quiet is the part of every day in which messages are held. It may go over
// midnight.
type Quiet struct {
	// From is when it begins, HH:MM. Default: empty, never.
	From string `yaml:"from"`
	// To is when it ends, HH:MM, not From. Set when and only when From is.
	To string `yaml:"to"`
	// ExceptImportance is the importance from which a message goes out all the
	// same, 0 to 10. Default: 0, none does.
	ExceptImportance int `yaml:"except_importance"`
	// Timezone is the IANA name of the zone of From and To. Default: UTC.
	Timezone string `yaml:"timezone"`
}

// Template replaces a message's title and body. Both are templates of package
// text/template, with its functions only.
type Template struct {
	// Title of the message. Default: empty, the built-in one.
	Title string `yaml:"title"`
	// Body of the message. Default: empty, the built-in one.
	Body string `yaml:"body"`
}

// Match chooses events. All of its conditions must hold; one that is not set
// always does, so that the zero Match chooses every event. Names compare as
// slugs do, after aliases. In the file a single string may stand for a list.
type Match struct {
	// Tags: the event has one of them.
	Tags []string `yaml:"tags"`
	// Actors: the event has one of them.
	Actors []string `yaml:"actors"`
	// AllTags: the event has all of them.
	AllTags []string `yaml:"all_tags"`
	// AllActors: the event has all of them.
	AllActors []string `yaml:"all_actors"`
	// NotTags: the event has none of them.
	NotTags []string `yaml:"not_tags"`
	// NotActors: the event has none of them.
	NotActors []string `yaml:"not_actors"`
	// Status: the event's status is one of them.
	Status []string `yaml:"status"`
	// Location: the event's location is one of them.
	Location []string `yaml:"location"`
	// MinImportance is the least importance, 0 to 10.
	MinImportance int `yaml:"min_importance"`
	// MaxImportance is the greatest importance, 1 to 10; 0: no limit.
	MaxImportance int `yaml:"max_importance"`
	// From is the first date of an event, YYYY-MM-DD, or empty.
	From string `yaml:"from"`
	// To is the last date of an event, YYYY-MM-DD, or empty.
	To string `yaml:"to"`
}

// Rate is a number of messages per second; 0 is no limit. In the file it is
// written N/s, N/m or N/h, or 0.
type Rate float64

// Default returns the configuration that an empty mapping ({}) stands for,
// before its relative paths are resolved.
func Default() Config {
	return Config{
		Site: Site{
			Title:     "Public record",
			URL:       "http://localhost:8080",
			Authority: "localhost,2025",
			Language:  "en",
			Timezone:  "UTC",
			Author:    Author{Name: "Public record"},
		},
		Events: Events{
			Dir:      "seeds",
			Include:  []string{"**/*.md"},
			MaxBytes: 1 << 20,
			Fields: map[string][]string{
				"title":        {"title"},
				"date":         {"date"},
				"importance":   {"importance"},
				"tags":         {"tags"},
				"actors":       {"actors"},
				"location":     {"location"},
				"status":       {"status", "verification_status"},
				"draft":        {"draft"},
				"id":           {"id"},
				"summary":      {"summary"},
				"sources":      {"sources"},
				"last_updated": {"last_updated"},
				"published":    {"published"},
				"expires":      nil,
			},
		},
		Check: map[string]string{
			"date_mismatch":      "warning",
			"duplicate":          "warning",
			"empty_value":        "warning",
			"missing_importance": "warning",
			"missing_sources":    "warning",
			"missing_tags":       "warning",
			"missing_text":       "warning",
			"misspelled_key":     "warning",
			"similar_actor":      "warning",
			"similar_tag":        "warning",
			"spelling":           "warning",
			"surroundings":       "warning",
			"unknown_status":     "warning",
			"unlinked_source":    "warning",
			"unparsable_date":    "warning",
			"unusual_importance": "warning",
			"value_type":         "warning",
		},
		Watch: Watch{
			Settle:   500 * time.Millisecond,
			MaxDelay: 10 * time.Second,
			Rescan:   "@every 15m",
			Hold:     Hold{Events: 100, Percent: 50},
			Lag:      10 * time.Minute,
		},
		Feeds: Feeds{
			Formats:     []string{"atom", "rss", "json"},
			Entries:     50,
			Window:      14 * 24 * time.Hour,
			MinEvents:   1,
			Archives:    "all",
			Content:     "full",
			Write:       "all",
			Significant: []string{"title", "date", "importance", "status", "body"},
			Corrections: []string{"title", "date", "status", "withdrawn"},
		},
		Web: Web{
			Listen: "127.0.0.1:8080",
			Admin:  "127.0.0.1:8081",
		},
		Notify: Notify{FirstRun: "silent"},
		Store:  "state/tocsin.db",
	}
}

// DefaultSink returns what a sink is that says nothing of itself. Its name,
// type and URL have no default.
func DefaultSink() Sink {
	return Sink{
		On:       []string{"new", "updated", "raised", "withdrawn"},
		Fields:   []string{"title", "date", "importance", "status"},
		Burst:    10,
		Rate:     1,
		Updates:  "post",
		Digest:   Digest{Timezone: "UTC"},
		Quiet:    Quiet{Timezone: "UTC"},
		RetryFor: 72 * time.Hour,
	}
}

// Env is what a configuration may take from outside its file. A nil func
// finds nothing.
type Env struct {
	// LookupEnv is [os.LookupEnv] or what stands for it.
	LookupEnv func(name string) (value string, ok bool)
	// ReadFile is [os.ReadFile] or what stands for it. It may stop early in a
	// file of more than 1 MiB, after the first byte that is too many.
	ReadFile func(path string) ([]byte, error)
	// CheckSink says what is wrong with a sink, all of whose values are valid one
	// by one, and in which of its keys; an empty fault is none. It knows the tools,
	// which this package does not, and must give no secret away.
	CheckSink func(s Sink) (key, fault string)
	// CheckStore says what is wrong with a Store that is an address, and nothing of
	// what is in it; empty: nothing. nil checks nothing.
	CheckStore func(address string) (fault string)
	// CheckFields calls fault for each candidate of c.Events.Fields that is none,
	// with its field and index; c.Site.Timezone is valid. It knows what candidates
	// mean, which this package does not.
	CheckFields func(c *Config, fault func(field string, index int, what string))
	// Check says what else is wrong with a configuration in which nothing else is:
	// it calls wrong with each key and its fault. It knows the surroundings, and what
	// cannot change while the program runs.
	Check func(c *Config, wrong func(key, fault string))
}

// OSEnv returns the environment and the files of this process.
func OSEnv() Env {
	return Env{LookupEnv: os.LookupEnv, ReadFile: readFile}
}

// readFile reads a file, but not much more than maxSize of it: a secret's path
// may lead to a device that never ends.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSize+1))
}

func (e Env) lookupEnv(name string) (string, bool) {
	if e.LookupEnv == nil {
		return "", false
	}
	return e.LookupEnv(name)
}

func (e Env) readFile(path string) ([]byte, error) {
	if e.ReadFile == nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return e.ReadFile(path)
}

// Find returns the path of the configuration: flagValue if it is not empty,
// else config.yaml in this folder if it is there, else
// /etc/tocsin/config.yaml. If neither is there, the error is an [Error] that
// says what to type. Find does not look whether flagValue exists: [Load] does.
func Find(flagValue string) (string, error) {
	return find(flagValue, func(path string) bool {
		_, err := os.Stat(path)
		return !errors.Is(err, fs.ErrNotExist) // one that cannot be read is there, and Load says why
	})
}

func find(flagValue string, exists func(path string) bool) (string, error) {
	if flagValue != "" {
		return flagValue, nil
	}
	for _, path := range []string{localPath, systemPath} {
		if exists(path) {
			return path, nil
		}
	}
	return "", &Error{Msg: fmt.Sprintf("no %s in this folder and no %s; name the file with -config FILE", localPath, systemPath)}
}

// Load reads the file at path by env and parses it. Its errors are those of
// [Parse], and an [Error] without a line when the file cannot be read.
func Load(path string, env Env) (*Config, error) {
	data, err := env.readFile(path)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err // the path stands in front already
		}
		return nil, &Error{Path: path, Msg: fmt.Sprintf("cannot be read: %v; name another file with -config FILE", err), err: err}
	}
	return Parse(path, data, env)
}

// Parse reads a configuration out of data. The path is for messages, and its
// folder is where relative paths begin. An error joins one or more [Error], in
// the order of their lines; then the configuration is nil.
func Parse(path string, data []byte, env Env) (*Config, error) {
	d := &decoder{path: path, env: env, origins: map[string]origin{}, faulty: map[string]bool{}}
	c := Default()
	c.Path = path
	if root := d.document(bytes.TrimPrefix(data, []byte("\ufeff"))); root != nil {
		d.decode(root, &c)
		c.check(d)
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	c.resolve()
	if env.Check != nil {
		env.Check(&c, func(key, fault string) { d.wrong(key, "%s", fault) })
		if err := d.err(); err != nil {
			return nil, err
		}
	}
	return &c, nil
}

// resolve makes relative paths relative to the configuration's folder.
func (c *Config) resolve() {
	for _, p := range []*string{&c.Events.Dir, &c.Feeds.Dir} {
		if *p != "" && (p != &c.Feeds.Dir || c.Feeds.Bucket == nil) {
			*p = beside(c.Path, *p)
		}
	}
	if !isURL(c.Store.Reveal()) {
		c.Store = Secret(beside(c.Path, c.Store.Reveal()))
	}
}

// beside returns path as seen from the folder of the file config.
func beside(config, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(filepath.Dir(config), path)
}
