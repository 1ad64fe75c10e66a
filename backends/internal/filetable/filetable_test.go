package filetable_test

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"

	"echosrv/backends"
	"echosrv/backends/internal/filetable"
)

// limitFiles lowers the process's own limit of descriptors until the end of the test.
func limitFiles(t *testing.T, room int) {
	t.Helper()
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Skipf("the open descriptors can't be counted here: %v", err)
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	lower := old
	lower.Cur = uint64(len(entries) + room)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lower); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old) })
}

func TestRefusesBeforeTheTableIsFull(t *testing.T) {
	const room = 40
	limitFiles(t, room)
	var log bytes.Buffer
	table := filetable.Watch("lib", backends.Config{Threads: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
	served := 0
	for table.Opened() {
		if served++; served > room {
			t.Fatalf("%d newcomers were let in with room for %d descriptors", served, room)
		}
	}
	if served < room/2 {
		t.Errorf("only %d newcomers were let in with room for %d descriptors", served, room)
	}
	for range 10 {
		if table.Opened() {
			t.Errorf("a newcomer was let in while the table is nearly full")
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines were logged at once, want 1:\n%s", n, log.String())
	}
	for range 12 { // the refused ones, and one of the others
		table.Closed()
	}
	if !table.Opened() {
		t.Errorf("no newcomer is let in after one has left")
	}
}
