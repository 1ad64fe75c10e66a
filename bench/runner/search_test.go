package runner

import (
	"testing"

	"pgregory.net/rapid"
)

func TestSearchFindsTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const least, most, precision = 100, 1e7, 1.05
		limit := rapid.Float64Range(200, 5e6).Draw(t, "limit")
		s := newSearch(rapid.Float64Range(1, 1e8).Draw(t, "start"), least, most, precision)
		steps := 0
		for ; !s.done(); steps++ {
			if s.rate < least || s.rate > most {
				t.Fatalf("it tried %v, outside of %v to %v", s.rate, least, most)
			}
			if steps > 40 {
				t.Fatalf("no end after %d steps: %+v", steps, s)
			}
			s.tell(s.rate <= limit)
		}
		if s.low > limit || s.high <= limit || s.high/s.low > precision {
			t.Fatalf("limit %v, found %v to %v", limit, s.low, s.high)
		}
	})
}

func TestSearchEndsAtItsBounds(t *testing.T) {
	for name, held := range map[string]bool{"everything holds": true, "nothing holds": false} {
		s := newSearch(1000, 100, 1e6, 1.05)
		for steps := 0; !s.done(); steps++ {
			if steps > 40 {
				t.Fatalf("%s: no end", name)
			}
			s.tell(held)
		}
		if held && (s.low != 1e6 || s.high != 0) || !held && (s.high != 100 || s.low != 0) {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
