package filetable_test

import (
	"bytes"
	"log/slog"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

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

func TestPausesGrowUntilSomebodyIsAccepted(t *testing.T) {
	var p filetable.Pause
	var got []time.Duration
	for range 5 {
		got = append(got, p.Next()/time.Millisecond)
	}
	p.Reset()
	got = append(got, p.Next()/time.Millisecond)
	if want := []time.Duration{50, 100, 200, 400, 400, 50}; !slices.Equal(got, want) {
		t.Errorf("paused for %v ms, want %v", got, want)
	}
}

// However many loops can't accept, there is one warning a second.
func TestWarningsAreASecondApart(t *testing.T) {
	var w filetable.Warnings
	var given []time.Duration
	for now := time.Duration(1); now < 3*time.Second; now += 100 * time.Millisecond {
		for range 4 {
			if w.Due(now) {
				given = append(given, now)
			}
		}
	}
	if want := []time.Duration{1, time.Second + 1, 2*time.Second + 1}; !slices.Equal(given, want) {
		t.Errorf("warned at %v, want %v", given, want)
	}
}
