package load

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"echosrv/protocol"
)

const sizesSyntax = `a size is BYTES ("1024", "64KiB"), a range "64-1500", or a mix with weights "64:80,1024:15,65536:5"`

// ParseSizes reads one size ("1024", "64KiB", "1MiB"), a range ("64-1500") or a mix of these with weights
// ("64:80,1024:15,65536:5"; a missing weight is 1).
func ParseSizes(s string) (Sizes, error) {
	var mix Sizes
	for part := range strings.SplitSeq(s, ",") {
		share, err := parseShare(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("sizes %q: %w; %s", s, err, sizesSyntax)
		}
		mix = append(mix, share)
	}
	if err := mix.check(); err != nil {
		return nil, err
	}
	return mix, nil
}

func parseShare(s string) (Share, error) {
	p := Share{Weight: 1}
	bytes, weight, weighted := strings.Cut(s, ":")
	if weighted {
		w, err := strconv.ParseFloat(weight, 64)
		if err != nil {
			return p, fmt.Errorf("weight %q is not a number", weight)
		}
		p.Weight = w
	}
	if strings.HasPrefix(bytes, "-") {
		return p, fmt.Errorf("%q is below 0", bytes)
	}
	low, high, isRange := strings.Cut(bytes, "-")
	var err error
	if p.Min, err = parseBytes(low); err != nil {
		return p, err
	}
	p.Max = p.Min
	if isRange {
		p.Max, err = parseBytes(high)
	}
	return p, err
}

func parseBytes(s string) (int, error) {
	digits, unit := s, 1
	for suffix, bytes := range map[string]int{"KiB": 1 << 10, "MiB": 1 << 20} {
		if d, ok := strings.CutSuffix(s, suffix); ok {
			digits, unit = d, bytes
		}
	}
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil || n > math.MaxInt32/uint64(unit) {
		return 0, fmt.Errorf("%q is not a number of bytes", s)
	}
	return int(n) * unit, nil
}

func (s Sizes) check() error {
	var sum float64
	for _, p := range s {
		switch {
		case p.Min < 0 || p.Max > protocol.MaxPayload:
			return fmt.Errorf("size %d-%d: 0 to %d bytes are allowed", p.Min, p.Max, protocol.MaxPayload)
		case p.Min > p.Max:
			return fmt.Errorf("size range %d-%d: it ends before it begins", p.Min, p.Max)
		case !(p.Weight > 0 && p.Weight <= 1e9):
			return fmt.Errorf("weight %g of size %d: above 0 and up to 1e9 is allowed", p.Weight, p.Min)
		}
		sum += p.Weight
	}
	if sum == 0 {
		return fmt.Errorf("no size is given; %s", sizesSyntax)
	}
	return nil
}
