package config

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// Whatever prints a configuration, its secrets stay in.
func TestSecretIsNotPrinted(t *testing.T) {
	const value = "c4n4ry"
	sink := Sink{URL: value, Secrets: []Secret{value}, Headers: map[string]Secret{"X": value}}
	type holder struct {
		Sink   Sink
		Any    any
		Pinned *Secret
	}
	secret := Secret(value)
	h := holder{sink, secret, &secret}

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10s", "%t"} {
		fmt.Fprintf(&out, verb+" "+verb+" "+verb+"\n", secret, h, []any{&secret, sink.Headers})
	}
	fmt.Fprintln(&out, secret, secret.GoString(), fmt.Errorf("%w %v", fmt.Errorf("%s", secret), secret))
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("x", "secret", secret, "sink", sink, "group", slog.GroupValue(slog.Any("url", secret)))
	}
	for _, v := range []any{secret, h, []Secret{secret}} {
		j, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		y, err := yaml.Dump(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(j, y...))
	}
	x, err := xml.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(x)

	hex := fmt.Sprintf("%x", value)
	if s := out.String(); strings.Contains(s, value) || strings.Contains(strings.ToLower(s), hex) {
		t.Errorf("printed:\n%s", s)
	}
	if !strings.Contains(out.String(), redacted) {
		t.Error("nothing was printed")
	}
	if secret.Reveal() != value {
		t.Errorf("Reveal: %q", secret.Reveal())
	}
}

func TestEmptySecretStaysEmpty(t *testing.T) {
	var s Secret
	j, _ := json.Marshal(s)
	y, _ := yaml.Dump(s)
	if got := fmt.Sprintf("%v%s%#v", s, s, s) + s.LogValue().String() + string(j) + strings.TrimSpace(string(y)); got != `""''` {
		t.Errorf("got %s", got)
	}
}
