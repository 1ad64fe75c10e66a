package backends

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var table = []Engine{
	{Name: "one", Options: []Option{
		{Key: "mode", Default: "a", Check: Choice("a", "b")},
		{Key: "size", Default: "4KiB", Check: Bytes(1, 1<<20)},
		{Key: "wait", Default: "1ms", Check: Duration(time.Second)},
		{Key: "loud", Default: "false", Check: Flag},
	}},
	{Name: "two", MaxThreads: 4},
}

func TestParseSpec(t *testing.T) {
	s, err := ParseSpec("one:threads=3,mode=b,size=64KiB,loud=true", table)
	if err != nil {
		t.Fatal(err)
	}
	o := s.Options
	if s.Engine.Name != "one" || s.Threads != 3 || o.String("mode") != "b" || o.Bytes("size") != 64<<10 || !o.Flag("loud") {
		t.Errorf("got %s, %d threads, %v", s.Engine.Name, s.Threads, o)
	}
	if o.Duration("wait") != time.Millisecond {
		t.Errorf("an option that isn't given is %v, want its default of 1ms", o.Duration("wait"))
	}
	if s, err = ParseSpec("two", table); err != nil || s.Threads != 0 || len(s.Options) != 0 {
		t.Errorf("a bare name: got %+v, %v", s, err)
	}
}

// What is wrong is said together with what is allowed.
func TestParseSpecErrors(t *testing.T) {
	for _, c := range []struct{ spec, want string }{
		{"", `unknown engine ""; there are one, two`},
		{"three", `unknown engine "three"; there are one, two`},
		{"one:color=red", `unknown key "color"; keys are threads, mode, size, wait, loud`},
		{"one:mode", `"mode" is not key=value; keys are threads, mode, size, wait, loud`},
		{"one:mode=a,", `"" is not key=value`},
		{"one:mode=a,mode=b", `"mode" is given twice`},
		{"one:mode=c", `mode="c": allowed are a, b`},
		{"one:size=2MiB", `size="2MiB": 1 to 1MiB are allowed`},
		{"one:size=big", `"big" is not a size`},
		{"one:wait=2s", `wait="2s": 0s to 1s are allowed`},
		{"one:wait=soon", `not a duration such as`},
		{"one:loud=very", `allowed are true and false`},
		{"one:threads=0", `threads=0: one takes 1 to 1024`},
		{"one:threads=x", `threads="x" is not a whole number`},
		{"two:threads=5", `threads=5: two takes 1 to 4`},
	} {
		if _, err := ParseSpec(c.spec, table); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q in it", c.spec, err, c.want)
		}
	}
}

func TestSizesAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 1<<40).Draw(t, "n") << rapid.SampledFrom([]int{0, 10, 20}).Draw(t, "shift")
		if got, err := ParseBytes(FormatBytes(n)); err != nil || got != n {
			t.Fatalf("%d is written %q, which reads as %d, %v", n, FormatBytes(n), got, err)
		}
	})
	for _, bad := range []string{"", "KiB", "-1", "1.5MiB", "1 KiB", "1kb", "9999999999GiB", "0x10"} {
		if n, err := ParseBytes(bad); err == nil {
			t.Errorf("%q was read as %d", bad, n)
		}
	}
}

func FuzzParseSpec(f *testing.F) {
	f.Add("one:threads=3,mode=b")
	f.Add("two:,=,")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSpec(text, table)
		if err != nil {
			return
		}
		for _, o := range s.Engine.Options {
			if err := o.Check(s.Options[o.Key]); err != nil {
				t.Fatalf("%q was accepted with %s=%q: %v", text, o.Key, s.Options[o.Key], err)
			}
		}
	})
}

func TestNowIsNeverZeroAndNeverGoesBack(t *testing.T) {
	last := time.Duration(0)
	for range 1000 {
		now := Now()
		if now <= 0 || now < last {
			t.Fatalf("%d after %d", now, last)
		}
		last = now
	}
}
