package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) }

func TestEstimate(t *testing.T) {
	e := Of([]float64{5, 1, 4, 2, 3, 6, 7})
	if e.Median != 4 || e.Low != 1 || e.High != 7 || !e.Bounded() {
		t.Errorf("seven values: %+v", e)
	}
	if few := Of([]float64{1, 2, 3}); few.Median != 2 || few.Bounded() {
		t.Errorf("three values must have no interval: %+v", few)
	}
	if none := Of(nil); !math.IsNaN(none.Median) || none.Bounded() {
		t.Errorf("no values: %+v", none)
	}
}

// The example is worked by hand: logs of 1.1, 1.2 and 1.3 against 1 have mean 0.1800 and deviation 0.0836;
// t with two degrees of freedom is 3.73, so p = 0.065.
func TestPairedExample(t *testing.T) {
	r := Paired([]float64{1.1, 2.4, 3.9}, []float64{1, 2, 3}, 1)
	if math.Abs(r.Ratio-math.Cbrt(1.1*1.2*1.3)) > 1e-12 || math.Abs(r.P-0.0649) > 0.0005 || r.N != 3 {
		t.Errorf("got %+v", r)
	}
	if r.Low > 1 || r.High < 1 {
		t.Errorf("p is above 0.05, yet the interval %.3f to %.3f excludes 1", r.Low, r.High)
	}
}

func TestPairedLeavesOutWhatWasNotMeasured(t *testing.T) {
	r := Paired([]float64{2, math.NaN(), 2, 0}, []float64{1, 1, 1, 1, 9}, 1)
	if r.N != 2 || r.Ratio != 2 || r.P != 0 {
		t.Errorf("got %+v", r)
	}
	if r := Paired(nil, nil, 1); r.N != 0 || r.P != 1 {
		t.Errorf("nothing measured: %+v", r)
	}
	if r := Paired([]float64{2}, []float64{1}, 1); r.P != 1 || !math.IsInf(r.Least, 1) {
		t.Errorf("one round can decide nothing: %+v", r)
	}
}

func TestPairedProperties(t *testing.T) {
	positive := rapid.SliceOfN(rapid.Float64Range(0.1, 1000), 2, 12)
	rapid.Check(t, func(t *rapid.T) {
		a := positive.Draw(t, "a")
		b := rapid.SliceOfN(rapid.Float64Range(0.1, 1000), len(a), len(a)).Draw(t, "b")
		scale := rapid.Float64Range(0.01, 100).Draw(t, "scale")
		forth, back := Paired(a, b, 1), Paired(b, a, 1)
		if !near(forth.Ratio, 1/back.Ratio) || !near(forth.P, back.P) || !near(forth.Low, 1/back.High) {
			t.Fatalf("turning the comparison round: %+v and %+v", forth, back)
		}
		if forth.Low > forth.Ratio || forth.Ratio > forth.High || forth.P < 0 || forth.P > 1 {
			t.Fatalf("out of order: %+v", forth)
		}
		if (forth.P < Alpha-1e-9) != (forth.Low > 1 || forth.High < 1) && math.Abs(forth.P-Alpha) > 1e-6 {
			t.Fatalf("p and interval disagree: %+v", forth)
		}
		// A round in which the whole machine was slower changes nothing.
		for i := range a {
			a[i], b[i] = a[i]*scale, b[i]*scale
		}
		if scaled := Paired(a, b, 1); !near(scaled.Ratio, forth.Ratio) {
			t.Fatalf("a common factor moved the ratio from %v to %v", forth.Ratio, scaled.Ratio)
		}
		if six := Paired(a, b, 6).Least; six < leastAlone(a, b) || six == leastAlone(a, b) && six > 1e-9 && !math.IsInf(six, 1) {
			t.Fatalf("one comparison finds from %v on, six from %v on: they must find less", leastAlone(a, b), six)
		}
	})
}

// leastAlone is the least difference that one comparison alone could find.
func leastAlone(a, b []float64) float64 { return Paired(a, b, 1).Least }

func TestHolm(t *testing.T) {
	got := Holm([]float64{0.01, 0.04, 0.03})
	for i, want := range []float64{0.03, 0.06, 0.06} {
		if !near(got[i], want) {
			t.Fatalf("got %v", got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOf(rapid.Float64Range(0, 1)).Draw(t, "p")
		c := Holm(p)
		for i := range p {
			if c[i] < p[i] || c[i] > 1 {
				t.Fatalf("%v corrected to %v", p[i], c[i])
			}
			for j := range p {
				if p[i] < p[j] && c[i] > c[j] {
					t.Fatalf("order was lost: %v became %v", p, c)
				}
			}
		}
	})
}

// noises are the distributions of one measurement around the same true value, as a shared machine has
// them: even, with rare long disturbances, and heavy-tailed on one side.
var noises = map[string]func(*rand.Rand) float64{
	"normal": func(r *rand.Rand) float64 { return math.Exp(0.05 * r.NormFloat64()) },
	"disturbed": func(r *rand.Rand) float64 {
		return math.Exp(0.03*r.NormFloat64()) + float64(r.IntN(8)/7)*r.ExpFloat64()
	},
	"heavy tail": func(r *rand.Rand) float64 { return 1 + 0.05*math.Pow(r.Float64(), -0.6) },
}

// TestFalseFindings holds the promise behind "~": with six engines that are all the same, at most one
// comparison in twenty finds anything, whatever the noise. Seeded, so that it never fails by chance.
func TestFalseFindings(t *testing.T) {
	const trials, engines, rounds = 1500, 7, 7
	for name, noise := range noises {
		r := rand.New(rand.NewPCG(1, 2))
		found := 0
		for range trials {
			values := make([][]float64, engines)
			for e := range values {
				values[e] = make([]float64, rounds)
				for i := range values[e] {
					values[e][i] = noise(r)
				}
			}
			var p []float64
			for _, v := range values[1:] {
				p = append(p, Paired(v, values[0], engines-1).P)
			}
			if slices.Min(Holm(p)) < Alpha {
				found++
			}
		}
		if share := float64(found) / trials; share > Alpha+0.01 {
			t.Errorf("%s noise: %.3f of the comparisons of equals found a difference", name, share)
		}
	}
}

// TestLeastIsDetectable puts in a difference of the size that the comparison itself says it can find.
func TestLeastIsDetectable(t *testing.T) {
	const trials, rounds, sigma = 1000, 8, 0.04
	r := rand.New(rand.NewPCG(3, 4))
	draw := func(shift float64) (measured, baseline []float64) {
		for range rounds {
			measured = append(measured, shift*math.Exp(sigma*r.NormFloat64()))
			baseline = append(baseline, math.Exp(sigma*r.NormFloat64()))
		}
		return
	}
	var least float64
	for range trials {
		least += pairedAlone(draw(1)).Least / trials
	}
	found := 0
	for range trials {
		if pairedAlone(draw(1+least)).P < Alpha {
			found++
		}
	}
	if share := float64(found) / trials; share < 0.70 || share > 0.90 {
		t.Errorf("a difference of %.3f was found %.2f of the time, about %.1f promised", least, share, power)
	}
}

// pairedAlone is Paired for one comparison alone.
func pairedAlone(measured, baseline []float64) Ratio { return Paired(measured, baseline, 1) }

func TestUnpaired(t *testing.T) {
	low, high := []float64{100, 101, 99, 102, 98, 100}, []float64{120, 121, 119, 122, 118, 120}
	if p := Unpaired(low, high); p > 1e-4 {
		t.Errorf("20 %% apart with 1 %% of scatter gives p = %v", p)
	}
	if p := Unpaired(low, low); p < 0.99 {
		t.Errorf("equal samples give p = %v", p)
	}
	if p := Unpaired([]float64{5, 5}, []float64{5, 5}); p != 1 {
		t.Errorf("constant equals give p = %v", p)
	}
	if p := Unpaired([]float64{5, 5}, []float64{6, 6}); p != 0 {
		t.Errorf("different constants give p = %v", p)
	}
	if p := Unpaired([]float64{5}, []float64{6, 6}); p != 1 {
		t.Errorf("a single value gives p = %v", p)
	}
}
