package main

import (
	"strings"
	"testing"
	"time"

	"echosrv/backends"
)

// TestSoak does a mixture of everything again and again: descriptors, goroutines and memory stay where they
// were once it has settled. What is compared is the highest seen in the first quarter of the time and in the
// rest, as resident memory swings with the collector; the heap is looked at just after a collection.
func TestSoak(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, e backends.Engine) {
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
			slack  float64 // that much more than a quarter above is still flat
		}{
			{"process_open_fds", 10},
			{"go_goroutines", 10},
			{"process_resident_memory_bytes", 8 << 20},
			{heap, 2 << 20},
		}
		first, rest := make([]float64, len(levels)), make([]float64, len(levels))
		begin := time.Now()
		for n := 0; n < 4 || time.Since(begin) < soakTime(); n++ {
			round()
			highest := rest
			if n < 3 || time.Since(begin) < soakTime()/4 {
				highest = first
			}
			for i, level := range levels {
				if level.metric == heap {
					if n%16 != 2 && n%16 != 3 { // seldom, so as not to do the collector's work
						continue
					}
					v.collect()
					v.collect() // what has a finalizer goes with the second
				}
				highest[i] = max(highest[i], v.metric(level.metric))
			}
		}
		for i, level := range levels {
			if most := first[i]*1.25 + level.slack; rest[i] > most {
				t.Errorf("%s was at most %.0f in the first quarter, then %.0f", level.metric, first[i], rest[i])
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
