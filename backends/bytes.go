package backends

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

var units = []struct {
	suffix string
	shift  uint
}{{"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"B", 0}, {"", 0}}

// ParseBytes reads a size: a whole number of bytes, or one with the unit B, KiB, MiB or GiB.
func ParseBytes(text string) (int, error) {
	for _, u := range units {
		digits, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 63)
		if err != nil || n > math.MaxInt>>u.shift {
			break
		}
		return int(n << u.shift), nil
	}
	return 0, fmt.Errorf("%q is not a size: a whole number of bytes, or one followed by KiB, MiB or GiB", text)
}

// FormatBytes writes a size so that ParseBytes reads it back, in the largest unit that loses nothing.
func FormatBytes(n int) string {
	for _, u := range units[:3] {
		if n != 0 && n%(1<<u.shift) == 0 {
			return fmt.Sprintf("%d%s", n>>u.shift, u.suffix)
		}
	}
	return strconv.Itoa(n)
}
