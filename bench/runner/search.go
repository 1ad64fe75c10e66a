package runner

import "math"

// search looks for the highest rate at which something holds, by doubling until it fails or halving until it holds,
// and then by bisection. It is told of every trial and does no I/O. Rates are whole numbers.
type search struct {
	rate float64
	// low held and high failed; zero while none did.
	low, high float64
	// precision is the ratio of high to low at which it ends, above 1.
	precision float64
	// least and most bound the rates that are tried.
	least, most float64
}

func newSearch(start, least, most, precision float64) *search {
	return &search{rate: math.Round(min(max(start, least), most)), precision: precision, least: least, most: most}
}

// tell says whether it held at the rate.
func (s *search) tell(held bool) {
	if held {
		s.low = s.rate
	} else {
		s.high = s.rate
	}
	switch {
	case s.high == 0:
		s.rate = min(s.rate*2, s.most)
	case s.low == 0:
		s.rate = max(math.Floor(s.rate/2), s.least)
	default:
		s.rate = math.Round(math.Sqrt(s.low * s.high))
	}
}

// done says whether the answer is as precise as wanted, or can't be found within the bounds.
func (s *search) done() bool {
	switch {
	case s.low > 0 && s.high > 0:
		return s.high/s.low <= s.precision || s.rate == s.low || s.rate == s.high
	case s.low >= s.most:
		return true
	}
	return s.high > 0 && s.high <= s.least
}
