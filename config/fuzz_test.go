package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

// Whatever a file says, Parse returns either a configuration or errors that
// are an *Error each, the same ones every time, and no secret of the
// environment is in them or in the printed configuration.
func FuzzParse(f *testing.F) {
	data, err := os.ReadFile(reference)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	const secret = "c4n4ry-7654321"
	e := env(map[string]string{"S": secret, "U": "https://" + secret + "/", "N": "7"}, map[string]string{"file": "https://" + secret + "/"})
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("config.yaml", data, e)
		again, errAgain := Parse("config.yaml", data, e)
		if (c == nil) == (err == nil) {
			t.Fatalf("configuration %v, error %v", c, err)
		}
		if err == nil {
			if errAgain != nil || !reflect.DeepEqual(c, again) {
				t.Fatal("another configuration from the same bytes")
			}
			if fmt.Sprintf("%+v", c.Notify) != strings.ReplaceAll(fmt.Sprintf("%+v", c.Notify), "https://"+secret, "") {
				t.Fatal("a secret is printed")
			}
			return
		}
		if err.Error() != fmt.Sprint(errAgain) {
			t.Fatalf("other errors from the same bytes: %v and %v", err, errAgain)
		}
		if strings.Contains(err.Error(), secret) {
			t.Fatalf("the environment is in %v", err)
		}
		last := 0
		for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
			var fault *Error
			if !errors.As(e, &fault) || fault.Msg == "" {
				t.Fatalf("%#v is not an *Error", e)
			}
			if fault.Line != 0 && fault.Line < last {
				t.Fatalf("not in order: %v", err)
			}
			last = fault.Line
		}
	})
}
