package selftest

import (
	"strings"
	"testing"
	"time"

	"echosrv/bench/load"

	"github.com/HdrHistogram/hdrhistogram-go"
)

func TestAllowed(t *testing.T) {
	// From the binomial distribution with p = 0.05.
	for n, want := range map[int]int{1: 1, 5: 1, 10: 2, 20: 3, 100: 10} {
		if got := allowed(n); got != want {
			t.Errorf("%d of %d are allowed, want %d", got, n, want)
		}
	}
}

// responses are those of packets due every ms of a window in which the server stopped, as seen by a client
// that counts from when a packet was due.
func responses(window, stop time.Duration, corrected bool) *load.Result {
	h := hdrhistogram.New(1, int64(time.Minute), 3)
	for due := time.Duration(0); due < window; due += time.Millisecond {
		switch {
		case due >= stop:
			h.RecordValue(int64(50 * time.Microsecond))
		case corrected:
			h.RecordValue(int64(stop - due))
		case due == 0:
			h.RecordValue(int64(stop)) // the only packet that a client saw which waits for its echo
		}
	}
	return &load.Result{Window: window, Response: h}
}

func TestAgreeTellsCorrectedPercentilesFromOthers(t *testing.T) {
	const window, stop = 2 * time.Second, 400 * time.Millisecond
	if figures, err := agree(stop, responses(window, stop, true)); err != nil || !strings.Contains(figures, "p99 380ms (computed 380ms)") {
		t.Errorf("corrected percentiles: %q, %v", figures, err)
	}
	if figures, err := agree(stop, responses(window, stop, false)); err == nil {
		t.Errorf("coordinated omission passed: %q", figures)
	}
}
