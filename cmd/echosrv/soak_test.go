package main

import (
	"strings"
	"testing"
	"time"

	"echosrv/backends"
)

// TestSoak does a mixture of everything again and again: descriptors, goroutines and memory stay where they
// were once it has settled.
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
		levels := []string{"process_open_fds", "go_goroutines", "process_resident_memory_bytes"}
		var before [3]float64
		for end, n := time.Now().Add(soakTime()), 0; n < 4 || time.Now().Before(end); n++ {
			if round(); n == 2 {
				for i, name := range levels {
					before[i] = v.metric(name)
				}
			}
		}
		for i, name := range levels {
			if is := v.metric(name); is > before[i]*1.25+10 {
				t.Errorf("%s grew from %g to %g", name, before[i], is)
			}
		}
		v.check()
	})
}

// soakTime is how long TestSoak lasts for each engine.
func soakTime() time.Duration {
	if long {
		return time.Minute
	}
	return 0
}
