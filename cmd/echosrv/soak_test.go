package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"echosrv/backends"
)

// TestSoak does a mixture of everything again and again: descriptors, goroutines and memory stay where they
// were once it has settled. Memory swings, with the collector and with how many of the connections of a flood
// are open at once; but what has leaked does not come back. So the lowest level seen in the last quarter of
// the time is compared with the highest in the first. The heap is looked at just after a collection.
func TestSoak(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, e backends.Engine) {
		t.Parallel()
		v := startVictim(t, e, 0, "--outbox-bytes", "64KiB", "--linger", "10ms", "--log-level", "error")
		round := func() {
			connectAndReset(v)
			garbage(v)
			crowd(20, func(i int) {
				conn := v.dial()
				for n := range 20 {
					if err := echo(conn, strings.Repeat("x", n*500)); err != nil {
						v.t.Errorf("client %d: %v", i, err)
					}
				}
				conn.Close()
			})
			v.await("echosrv_connections_open", 1)
		}
		const heap = "go_memstats_heap_alloc_bytes"
		levels := []struct {
			metric string
			slack  float64 // that much more is still flat
		}{
			{"process_open_fds", 10},
			{"go_goroutines", 10},
			{"process_resident_memory_bytes", 8 << 20},
			{heap, 2 << 20},
		}
		highest, lowest := make([]float64, len(levels)), make([]float64, len(levels))
		begin := time.Now()
		for n := 0; time.Since(begin) < soakTime() || slices.Contains(lowest, 0); n++ {
			round()
			early, late := n < 3 || time.Since(begin) < soakTime()/4, n >= 3 && time.Since(begin) >= soakTime()*3/4
			for i, level := range levels {
				if level.metric == heap {
					if n%16 != 2 && n%16 != 3 { // seldom, so as not to do the collector's work
						continue
					}
					v.collect()
					v.collect() // what has a finalizer goes with the second
				}
				is := v.metric(level.metric)
				if early {
					highest[i] = max(highest[i], is)
				}
				if late && (lowest[i] == 0 || is < lowest[i]) {
					lowest[i] = is
				}
			}
		}
		for i, level := range levels {
			t.Logf("%s: at most %.0f in the first quarter, at least %.0f in the last", level.metric, highest[i], lowest[i])
			if lowest[i] > highest[i]+level.slack {
				t.Errorf("%s was at most %.0f in the first quarter, and at least %.0f in the last", level.metric, highest[i], lowest[i])
			}
		}
		v.check()
	})
}

// soakTime is how long TestSoak lasts for each engine.
func soakTime() time.Duration {
	if long() {
		return time.Minute
	}
	return 0
}
