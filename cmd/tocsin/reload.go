package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	"tocsin/config"
)

// reload lets the running daemon read its configuration again, and says what came
// of it.
func reload(ctx context.Context, t *terminal, args []string) error {
	f := newFlags(t, "reload", "[-config FILE]",
		"Lets the daemon that runs with a configuration read it again. What is wrong with it is\nrefused with its reason, and the daemon goes on as before.")
	if err := f.parseFlags(args); err != nil {
		return err
	}
	path, err := config.Find(*f.config)
	if err != nil {
		return err
	}
	sockets, err := controlPaths(path, t.env.LookupEnv)
	if err != nil {
		return err
	}
	var forbidden error
	for _, socket := range sockets {
		o, err := askReload(ctx, socket)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
			continue // nobody listens there, or one who was killed did
		case errors.Is(err, fs.ErrPermission):
			forbidden = fmt.Errorf("%w; reload as the user that the daemon runs as, or as root", err)
			continue
		case err != nil:
			return err
		}
		if o.err == nil {
			fmt.Fprintln(t.out, o.text)
		}
		return o.err
	}
	if forbidden != nil {
		return forbidden
	}
	return fmt.Errorf("no daemon runs with %s; start it with: tocsin serve -config %[1]s", path)
}

// askReload asks the daemon that listens at a socket. The outcome's error is what
// the daemon answered.
func askReload(ctx context.Context, socket string) (outcome, error) {
	if _, err := os.Stat(socket); err != nil {
		return outcome{}, err
	}
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://tocsin"+reloadPath, nil)
	if err != nil {
		return outcome{}, err
	}
	res, err := client.Do(req)
	if err != nil {
		return outcome{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return outcome{}, err
	}
	text := strings.TrimSuffix(string(body), "\n")
	switch res.StatusCode {
	case http.StatusOK:
		return outcome{text: text}, nil
	case http.StatusUnprocessableEntity:
		return outcome{err: &config.Error{Msg: text}}, nil
	}
	return outcome{err: errors.New(text)}, nil
}
