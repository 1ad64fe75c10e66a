package table

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"echosrv/bench/stats"
)

// none stands where a figure is not known.
const none = "-"

// Count writes a number with three significant digits and separators: 201,000.
func Count(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return none
	}
	if math.Abs(v) < 100 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	step := math.Pow(10, math.Floor(math.Log10(math.Abs(v)))-2)
	digits := strconv.FormatFloat(math.Round(v/step)*step, 'f', 0, 64)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return sign + b.String()
}

// Time writes ns with three significant digits in the unit that suits them.
func Time(ns float64) string {
	switch {
	case math.IsNaN(ns) || math.IsInf(ns, 0):
		return none
	case ns < 1e3:
		return fmt.Sprintf("%.0f ns", ns)
	case ns < 999.5e3:
		return significant(ns/1e3) + " us"
	case ns < 999.5e6:
		return significant(ns/1e6) + " ms"
	}
	return significant(ns/1e9) + " s"
}

// Size writes bytes in the unit that suits them.
func Size(bytes float64) string {
	switch {
	case math.IsNaN(bytes):
		return none
	case bytes < 1<<10:
		return fmt.Sprintf("%.0f B", bytes)
	case bytes < 1<<20:
		return significant(bytes/(1<<10)) + " KiB"
	case bytes < 1<<30:
		return significant(bytes/(1<<20)) + " MiB"
	}
	return significant(bytes/(1<<30)) + " GiB"
}

// payload describes the sizes of a setting.
func payload(sizes string) string {
	if strings.Contains(sizes, "B") { // they have units of their own
		return "payload " + sizes
	}
	return "payload " + sizes + " bytes"
}

// significant writes three significant digits of a number from 1 to 1024.
func significant(v float64) string {
	switch {
	case v < 9.995:
		return fmt.Sprintf("%.2f", v)
	case v < 99.95:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// Percent writes a share, 0 to 1, in whole percent.
func Percent(share float64) string {
	if math.IsNaN(share) {
		return none
	}
	return fmt.Sprintf("%.0f %%", share*100)
}

// spread is half the interval of an estimate relative to its median: "±2 %".
func spread(e stats.Estimate) string {
	if !e.Bounded() || e.Median == 0 {
		return ""
	}
	half := (e.High - e.Low) / 2 / math.Abs(e.Median) * 100
	if half < 9.5 {
		return fmt.Sprintf(" ±%.1f %%", half)
	}
	return fmt.Sprintf(" ±%.0f %%", half)
}

// Least writes the least detectable difference.
func Least(share float64) string {
	if math.IsInf(share, 0) || math.IsNaN(share) {
		return "unknown with fewer than two rounds"
	}
	return fmt.Sprintf("%.1f %%", share*100)
}

// P writes a p-value.
func P(p float64) string {
	if p < 0.001 {
		return "<0.001"
	}
	return fmt.Sprintf("%.3f", p)
}

// Seconds writes a duration in whole seconds: "42 s".
func Seconds(d time.Duration) string { return fmt.Sprintf("%.0f s", d.Seconds()) }
