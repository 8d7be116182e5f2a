package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"

	"tocsin/config"
)

// flags are those of one command.
type flags struct {
	*flag.FlagSet
	t      *terminal
	config *string
	json   *bool
}

// newFlags returns the flags that commands share. synopsis is the usage line
// behind the command's name, about what the command does.
func newFlags(t *terminal, name, synopsis, about string) *flags {
	f := bareFlags(t, name, synopsis, about)
	f.config = f.String("config", "", "configuration `FILE` (default config.yaml here, else /etc/tocsin/config.yaml)")
	return f
}

// bareFlags returns those of a command that has no configuration yet.
func bareFlags(t *terminal, name, synopsis, about string) *flags {
	f := &flags{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError), t: t}
	f.SetOutput(io.Discard) // parse says what there is to say
	f.Usage = func() {
		fmt.Fprintf(f.Output(), "Usage: tocsin %s %s\n\n%s\n\n", name, synopsis, about)
		f.PrintDefaults()
	}
	return f
}

func (f *flags) withJSON() {
	f.json = f.Bool("json", false, "print JSON, for programs")
}

// parse reads the command line, flags before and behind other arguments.
func (f *flags) parse(args []string) (rest []string, err error) {
	for {
		if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
			f.SetOutput(f.t.out)
			f.Usage()
			return nil, err
		} else if err != nil {
			return nil, &usageError{msg: fmt.Sprintf("%v; tocsin %s -h shows the flags", err, f.Name())}
		}
		if f.NArg() == 0 {
			return rest, nil
		}
		rest, args = append(rest, f.Arg(0)), f.Args()[1:]
	}
}

// parseFlags reads a command line that holds nothing but flags.
func (f *flags) parseFlags(args []string) error {
	rest, err := f.parse(args)
	if err == nil && len(rest) > 0 {
		return &usageError{msg: fmt.Sprintf("unexpected argument %q", rest[0])}
	}
	return err
}

// load reads the configuration.
func (f *flags) load() (*config.Config, error) {
	path, err := config.Find(*f.config)
	if err != nil {
		return nil, err
	}
	return f.t.load(path, nil)
}

// load reads the configuration at path; check says what else is wrong with it.
func (t *terminal) load(path string, check func(c *config.Config, wrong func(key, fault string))) (*config.Config, error) {
	env := t.env
	env.CheckSink, env.CheckFields, env.CheckStore, env.Check = checkSink, checkFields, checkStore, check
	return config.Load(path, env)
}

// print writes a result as JSON, or else as text writes it.
func (f *flags) print(v any, text func(w io.Writer)) error {
	if *f.json {
		return indented(f.t.out).Encode(v)
	}
	text(f.t.out)
	return nil
}

// indented is how commands print JSON.
func indented(w io.Writer) *json.Encoder {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc
}
