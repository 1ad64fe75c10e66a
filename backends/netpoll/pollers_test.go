package netpoll_test

import (
	"log/slog"
	"testing"

	"echosrv/backends"
	"echosrv/backends/netpoll"
)

// The pollers belong to the process, so two servers must want the same number of them.
func TestServersAgreeOnPollers(t *testing.T) {
	start := func(threads int) (backends.Backend, error) {
		return netpoll.Engine().New(backends.Config{
			Address: "127.0.0.1:0", Threads: threads, Log: slog.New(slog.DiscardHandler),
		})
	}
	first, err := start(2)
	if err != nil {
		t.Fatal(err)
	}
	if other, err := start(1); err == nil {
		other.Close()
		t.Errorf("a server with 1 poller started beside one with 2")
	}
	second, err := start(2)
	if err != nil {
		t.Errorf("a second server with as many pollers: %v", err)
	} else {
		second.Close()
	}
	first.Close()
	last, err := start(1)
	if err != nil {
		t.Fatalf("a server with 1 poller when those with 2 have gone: %v", err)
	}
	last.Close()
}
