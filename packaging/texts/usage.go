package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

// usage is what the program says of itself with -h.
type usage struct {
	exits    []exit
	commands []command
}

// exit is an exit code and what it says.
type exit struct{ code, means string }

// command is one command of the program.
type command struct {
	name     string
	synopsis string // behind the name
	about    string
	flags    []option
}

// option is a flag of a command.
type option struct {
	name string // without its hyphen
	arg  string // the name of its value; empty: it has none
	text string
}

var (
	exitLine    = regexp.MustCompile(`(?s)Exit codes: (.*?)\.\n`)
	commandLine = regexp.MustCompile(`(?m)^    tocsin ([a-z]+)`)
	commandHelp = regexp.MustCompile(`(?s)^Usage: tocsin ([a-z]+)(?: ([^\n]*))?\n\n(.*?)\n\n(.*)$`)
	flagLine    = regexp.MustCompile(`^  -([a-z-]+)(?: (\S+))?(?:\t(.*))?$`)
)

// askUsage runs the program for its usage, and for that of each command.
func askUsage(program string) (*usage, error) {
	help, err := exec.Command(program, "-h").Output()
	if err != nil {
		return nil, fmt.Errorf("%s -h: %w", program, err)
	}
	u := &usage{}
	if m := exitLine.FindSubmatch(help); m != nil {
		for part := range strings.SplitSeq(oneLine(string(m[1])), "; ") {
			code, means, _ := strings.Cut(part, " ")
			u.exits = append(u.exits, exit{code, means})
		}
	}
	for _, m := range commandLine.FindAllSubmatch(help, -1) {
		name := string(m[1])
		if n := len(u.commands); n > 0 && u.commands[n-1].name == name {
			continue // a second way to call it
		}
		text, err := exec.Command(program, name, "-h").Output()
		if err != nil {
			return nil, fmt.Errorf("%s %s -h: %w", program, name, err)
		}
		c, err := parseCommand(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s %s -h: %w", program, name, err)
		}
		u.commands = append(u.commands, c)
	}
	if len(u.exits) == 0 || len(u.commands) == 0 {
		return nil, fmt.Errorf("%s -h has no commands or no exit codes", program)
	}
	return u, nil
}

// parseCommand reads what a command says with -h: the form is that of
// [flag.FlagSet.PrintDefaults].
func parseCommand(text string) (command, error) {
	m := commandHelp.FindStringSubmatch(text)
	if m == nil {
		return command{}, fmt.Errorf("cannot be read: %q", text)
	}
	c := command{name: m[1], synopsis: m[2], about: m[3]}
	for line := range strings.SplitSeq(strings.TrimRight(m[4], "\n"), "\n") {
		switch f := flagLine.FindStringSubmatch(line); {
		case f != nil:
			c.flags = append(c.flags, option{name: f[1], arg: f[2], text: f[3]})
		case strings.HasPrefix(line, "    \t") && len(c.flags) > 0:
			last := &c.flags[len(c.flags)-1]
			last.text = strings.TrimSpace(last.text + " " + strings.TrimSpace(line))
		default:
			return command{}, fmt.Errorf("%s: no flag: %q", c.name, line)
		}
	}
	return c, nil
}

// oneLine joins lines and their indents by single spaces.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
