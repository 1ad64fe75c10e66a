package runner

import (
	"slices"
	"testing"
)

func TestPlace(t *testing.T) {
	tests := map[string]struct {
		cores          []core
		server, client int // threads
		wantServer     []int
		wantClient     []int
		notes          int
	}{
		"two cores":                     {[]core{{0}, {1}}, 1, 1, []int{0}, []int{1}, 0},
		"one CPU":                       {[]core{{3}}, 1, 1, []int{3}, []int{3}, 1},
		"siblings of one core":          {[]core{{0, 1}}, 1, 1, []int{0}, []int{1}, 1},
		"siblings stay on one side":     {[]core{{0, 4}, {1, 5}, {2, 6}, {3, 7}}, 1, 2, []int{0}, []int{1, 5}, 0},
		"two threads on two siblings":   {[]core{{0, 4}, {1, 5}, {2, 6}, {3, 7}}, 2, 4, []int{0, 4}, []int{1, 5, 2, 6}, 0},
		"more server threads than CPUs": {[]core{{0}, {1}}, 4, 1, []int{0}, []int{1}, 1},
		"more client threads than CPUs": {[]core{{0}, {1}, {2}}, 2, 2, []int{0, 1}, []int{2}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := place(test.cores, test.server, test.client)
			if !slices.Equal(p.Server, test.wantServer) || !slices.Equal(p.Client, test.wantClient) || len(p.Notes) != test.notes {
				t.Errorf("got %+v", p)
			}
		})
	}
}

func TestFormatCPUs(t *testing.T) {
	for want, cpus := range map[string][]int{"": nil, "0": {0}, "0-2,5": {0, 1, 2, 5}, "1,3": {1, 3}} {
		if got := format(cpus); got != want {
			t.Errorf("%v is written %q, want %q", cpus, got, want)
		}
	}
}
