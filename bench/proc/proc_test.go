package proc

import (
	"testing"
	"time"
)

func TestBetween(t *testing.T) {
	before := Host{CPUs: map[int]CPU{0: {}, 1: {}}}
	after := Host{CPUs: map[int]CPU{
		0: {Busy: 60 * time.Millisecond, Idle: 30 * time.Millisecond, Stolen: 10 * time.Millisecond},
		1: {Idle: 100 * time.Millisecond},
	}}
	if got := Between(before, after, []int{0}); got != (Load{Busy: 0.6, Stolen: 0.1}) {
		t.Errorf("one CPU: %+v", got)
	}
	if got := Between(before, after, nil); got != (Load{Busy: 0.3, Stolen: 0.05}) {
		t.Errorf("both CPUs: %+v", got)
	}
	if got := Between(after, after, nil); got != (Load{}) {
		t.Errorf("no time: %+v", got)
	}
}
