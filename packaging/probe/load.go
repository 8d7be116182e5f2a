package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"
)

// load sends n requests from three clients, one each 20 ms, while a command runs once a
// second, and more until it has run twice. It says how many of them were lost, and
// fails if one was, or if the command did.
func load(url string, n int, command []string) error {
	var commands sync.WaitGroup
	var ran atomic.Int32
	var failed error
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	commands.Go(func() {
		for ctx.Err() == nil && failed == nil {
			c := exec.Command(command[0], command[1:]...)
			c.Stdout, c.Stderr = os.Stdout, os.Stderr
			failed = c.Run()
			ran.Add(1)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	})
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	next := make(chan struct{})
	var clients sync.WaitGroup
	var mu sync.Mutex
	lost := 0
	for range 3 {
		clients.Go(func() {
			for range next {
				began := time.Now()
				if err := get(&client, url); err != nil {
					mu.Lock()
					if lost++; lost <= 10 {
						fmt.Printf("lost: %s, %v later: %v\n", began.Format("15:04:05.000000"), time.Since(began), err)
					}
					mu.Unlock()
				}
			}
		})
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	sent := 0
	for ; sent < n || ran.Load() < 2 && sent < 100*n; sent++ {
		<-tick.C
		next <- struct{}{}
	}
	close(next)
	clients.Wait()
	cancel()
	commands.Wait()
	fmt.Printf("%d of %d requests lost, while %q ran %d times\n", lost, sent, command, ran.Load())
	if failed != nil {
		return fmt.Errorf("%s: %w", command[0], failed)
	}
	if lost > 0 {
		return fmt.Errorf("%d requests lost", lost)
	}
	return nil
}

// get asks for a page, which must come as a whole.
func get(client *http.Client, url string) error {
	r, err := client.Get(url)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return err
	}
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", r.Status)
	}
	return nil
}
