package load

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"echosrv/protocol"
)

func TestParseSizes(t *testing.T) {
	for text, want := range map[string]Sizes{
		"1024":                 {{1024, 1024, 1}},
		"64KiB":                {{65536, 65536, 1}},
		"0":                    {{0, 0, 1}},
		"64-1500":              {{64, 1500, 1}},
		"64:80,1024:15,1MiB:5": {{64, 64, 80}, {1024, 1024, 15}, {1 << 20, 1 << 20, 5}},
		"1-2:0.5, 3":           {{1, 2, 0.5}, {3, 3, 1}},
		"268435456":            {{protocol.MaxPayload, protocol.MaxPayload, 1}},
	} {
		got, err := ParseSizes(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: %s", text, d)
		}
		if again, err := ParseSizes(got.String()); err != nil || !cmp.Equal(again, got) {
			t.Errorf("%q is written as %q, which is read as %v, %v", text, got, again, err)
		}
	}
	for text, why := range map[string]string{
		"":              "not a number",
		"-1":            "is below 0",
		"1e3":           "not a number",
		"5-4":           "ends before it begins",
		"1:0":           "weight 0",
		"1:x":           "is not a number",
		"1:-2":          "weight -2",
		"1:NaN":         "weight NaN",
		"268435457":     "268435456 bytes are allowed",
		"2147483647MiB": "not a number",
	} {
		if _, err := ParseSizes(text); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: got %v, want a word about %q", text, err, why)
		}
	}
}

func TestMixIsExact(t *testing.T) {
	s := newScript(Sizes{{64, 64, 80}, {1024, 1024, 15}, {65536, 65536, 5}}, 1, 7, false)
	count := make(map[int]int)
	for i := range s.packets() {
		count[len(s.expected(i))-protocol.HeaderSize]++
	}
	if d := cmp.Diff(map[int]int{64: 80, 1024: 15, 65536: 5}, count); d != "" {
		t.Error(d)
	}
}

// drawScript makes a small script of any mix.
func drawScript(t *rapid.T) (*script, int) {
	var sizes Sizes
	for range rapid.IntRange(1, 3).Draw(t, "parts") {
		least := rapid.IntRange(0, 300).Draw(t, "min")
		sizes = append(sizes, Share{least, least + rapid.IntRange(0, 100).Draw(t, "more"), float64(rapid.IntRange(1, 9).Draw(t, "weight"))})
	}
	depth := rapid.IntRange(1, 20).Draw(t, "depth")
	seed := rapid.Uint64().Draw(t, "seed")
	s := newScript(sizes, depth, seed, rapid.Bool().Draw(t, "raw"))
	if rapid.Bool().Draw(t, "apart") {
		var list []int
		for i := range s.packets() {
			list = append(list, s.span(i, 1)-protocol.HeaderSize)
		}
		s.sent, s.echo = image{}, image{}
		s.keepApart(list, newRandom(seed, 0))
		if !s.framed {
			s.echo = s.sent
		}
	}
	return s, depth
}

func TestScript(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, depth := drawScript(t)
		if s.packets() <= depth {
			t.Fatalf("%d packets for depth %d", s.packets(), depth)
		}
		// Walking over what is expected gets there, in one step or several.
		from := rapid.IntRange(0, s.packets()-1).Draw(t, "from")
		n := rapid.IntRange(0, 3*s.packets()).Draw(t, "packets")
		var want []byte
		for i := range n {
			want = append(want, s.expected(from+i)...)
		}
		at := walk{off: s.starts[from], packet: from}
		packets, wire := 0, 0
		for rest := want; len(rest) > 0; {
			k := rapid.IntRange(1, len(rest)).Draw(t, "step")
			w, ok := s.match(at.off, at.packet, rest[:k])
			if !ok {
				t.Fatalf("%d expected bytes at %d didn't match", k, len(want)-len(rest))
			}
			packets, wire, at, rest = packets+w.packets, wire+w.wire, w, rest[k:]
		}
		if packets != n || wire != len(want) || at.packet != (from+n)%s.packets() || at.off != s.starts[at.packet] {
			t.Fatalf("walked %d packets, %d bytes of %d, %d to %+v", packets, wire, n, len(want), at)
		}
		if n <= s.packets() && s.span(from, n) != len(want) {
			t.Fatalf("span %d, want %d", s.span(from, n), len(want))
		}
		// One wrong bit anywhere is seen.
		if len(want) > 0 {
			i := rapid.IntRange(0, len(want)-1).Draw(t, "wrong")
			wrong := bytes.Clone(want)
			wrong[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			if _, ok := s.match(s.starts[from], from, wrong); ok {
				t.Fatalf("a wrong byte at %d went unseen", i)
			}
		}
	})
}

func TestScriptsOfOneSeedAreAlike(t *testing.T) {
	sizes := Sizes{{1, 500, 1}}
	if !bytes.Equal(newScript(sizes, 3, 9, false).sent.joined, newScript(sizes, 3, 9, false).sent.joined) {
		t.Error("one seed gave two scripts")
	}
	if bytes.Equal(newScript(sizes, 3, 9, false).sent.joined, newScript(sizes, 3, 10, false).sent.joined) {
		t.Error("two seeds gave one script")
	}
}
