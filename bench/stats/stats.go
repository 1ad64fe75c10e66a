// Package stats turns a few repeated measurements into figures that can be defended: medians with
// intervals, ratios paired by round, p-values corrected for the number of comparisons, and the least
// difference that a comparison could have found. It reads no clock and no file.
package stats

import (
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
	"golang.org/x/perf/benchmath"
)

// Confidence of every interval, and Alpha, below which a corrected p-value counts as a difference.
const (
	Confidence = 0.95
	Alpha      = 1 - Confidence
	// power is the chance of finding a difference of the least detectable size.
	power = 0.8
)

// Estimate is a median and the interval that holds the true one with at least Confidence. With fewer
// than six values there is no such interval: Low and High are then infinite.
type Estimate struct {
	Median, Low, High float64
	N                 int
}

// Of estimates the median of values, with an interval from their order alone: nothing is assumed of
// their distribution. Without values all is NaN.
func Of(values []float64) Estimate {
	if len(values) == 0 {
		nan := math.NaN()
		return Estimate{Median: nan, Low: nan, High: nan}
	}
	sample := benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
	s := benchmath.AssumeNothing.Summary(sample, Confidence)
	return Estimate{Median: s.Center, Low: s.Lo, High: s.Hi, N: len(values)}
}

// Bounded says whether there were values enough for an interval.
func (e Estimate) Bounded() bool {
	return e.N > 0 && !math.IsInf(e.Low, 0) && !math.IsInf(e.High, 0)
}

// Ratio compares two contestants that were measured in the same rounds.
type Ratio struct {
	// Ratio is the geometric mean of the rounds' ratios, Low and High its 95 % interval.
	Ratio, Low, High float64
	// P is the chance of a ratio at least this far from 1 if there were no difference; not corrected.
	P float64
	// Least is the smallest relative difference, such as 0.03, that a comparison with this scatter and
	// this many rounds would find four times out of five after correction. Infinite below two rounds.
	Least float64
	// N is the number of rounds in which both were measured.
	N int
}

// Paired compares measured to baseline, round by round. Values that aren't positive and finite in both
// are left out with their round. Comparisons is how many are made together, for Least.
//
// The logarithms of the rounds' ratios go through Student's t-test. A test on ranks alone can't reach
// 0.05 for six engines and seven rounds, whatever the data: its least p-value is 2/2^7, times six. The t-test
// errs on the safe side when it errs: without a difference, the order within a round being random, the
// logarithms lie symmetrically about zero, and outliers widen the interval.
func Paired(measured, baseline []float64, comparisons int) Ratio {
	var logs []float64
	for i := range min(len(measured), len(baseline)) {
		l := math.Log(measured[i] / baseline[i])
		if measured[i] > 0 && baseline[i] > 0 && !math.IsInf(l, 0) && !math.IsNaN(l) {
			logs = append(logs, l)
		}
	}
	n := len(logs)
	if n == 0 {
		nan := math.NaN()
		return Ratio{Ratio: nan, Low: nan, High: nan, P: 1, Least: math.Inf(1)}
	}
	mean, deviation := moments(logs)
	r := Ratio{Ratio: math.Exp(mean), Low: 0, High: math.Inf(1), P: 1, Least: math.Inf(1), N: n}
	if n < 2 {
		return r
	}
	t := stats.TDist{V: float64(n - 1)}
	quantile := stats.InvCDF(t)
	scale := deviation / math.Sqrt(float64(n))
	half := quantile(1-Alpha/2) * scale
	r.Low, r.High = math.Exp(mean-half), math.Exp(mean+half)
	r.Least = math.Expm1((quantile(1-Alpha/2/float64(max(comparisons, 1))) + quantile(power)) * scale)
	switch {
	case scale > 0:
		r.P = min(1, 2*t.CDF(-math.Abs(mean)/scale))
	case mean != 0:
		r.P = 0
	}
	return r
}

// moments are the mean and the sample standard deviation.
func moments(values []float64) (mean, deviation float64) {
	for _, v := range values {
		mean += v
	}
	mean /= float64(len(values))
	for _, v := range values {
		deviation += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(deviation / float64(max(1, len(values)-1)))
}

// Holm corrects p-values of comparisons made together, so that the chance of even one false difference
// among them stays below Alpha. The result is in the order of p.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if p[a] < p[b] {
			return -1
		}
		if p[a] > p[b] {
			return 1
		}
		return 0
	})
	corrected := make([]float64, len(p))
	floor := 0.0
	for rank, i := range order {
		floor = max(floor, min(1, p[i]*float64(len(p)-rank)))
		corrected[i] = floor
	}
	return corrected
}

// Unpaired is the chance that two sets of positive values differ at least this much if there is no
// difference between what they were taken from: Welch's t-test on their logarithms. It is for figures that
// don't share rounds, and finds less than Paired. It is 1 where either has fewer than two values.
func Unpaired(a, b []float64) float64 {
	x, y := logarithms(a), logarithms(b)
	if len(x) < 2 || len(y) < 2 {
		return 1
	}
	test, err := stats.TwoSampleWelchTTest(stats.Sample{Xs: x}, stats.Sample{Xs: y}, stats.LocationDiffers)
	if err != nil { // no scatter at all
		if x[0] == y[0] {
			return 1
		}
		return 0
	}
	return test.P
}

func logarithms(values []float64) (logs []float64) {
	for _, v := range values {
		if v > 0 && !math.IsInf(v, 0) {
			logs = append(logs, math.Log(v))
		}
	}
	return logs
}
