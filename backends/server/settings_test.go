package server

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"echosrv/protocol/session"
)

func TestSettingsAreWellFormed(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Settings() {
		if !regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`).MatchString(s.Name) || seen[s.Name] {
			t.Errorf("the name %q is malformed or taken", s.Name)
		}
		seen[s.Name] = true
		if s.Help == "" || s.Group == "" {
			t.Errorf("%s has no help or no group", s.Name)
		}
		o := DefaultOptions()
		before := s.In(&o).String()
		if err := s.In(&o).Set(before); err != nil || s.In(&o).String() != before {
			t.Errorf("%s refuses its own default %q or changes it: %v", s.Name, before, err)
		}
		if changes := Diff(&Options{}, &Options{}); changes != nil {
			t.Errorf("equal options differ: %v", changes)
		}
	}
}

// samples are values that a setting may have, besides its default.
var samples = map[string][]string{
	"backend": {"goroutine", "fake:colour=blue,threads=2"}, "listen": {"[::1]:0", "127.0.0.1:80", ":1"}, "threads": {"1", "1024"},
	"cpus": {"0", "0-3,6,9-10"}, "gomaxprocs": {"1", "7"}, "max-packet": {"0", "100", "64KiB", "256MiB"}, "outbox-bytes": {"1", "1GiB"},
	"outbox-packets": {"1", "77"}, "overflow": {"drop", "close"},
	"mode": {"async"}, "flush-bytes": {"1", "1MiB"}, "flush-interval": {"1ms", "1m"}, "work": {"1us", "1s"}, "max-connections": {"1", "1000"}, "outbox-budget": {"1", "1GiB"},
	"connection-packet-rate": {"1", "2.5", "1e12"}, "server-byte-rate": {"1000000"}, "admin": {"127.0.0.1:0"}, "admin-token-file": {"/etc/a file: with #", "'", "\"\\"},
	"log-level": {"debug", "warn", "error"}, "log-format": {"json"},
}

// drawOptions makes options in which any settings have any of their samples.
func drawOptions(t *rapid.T) Options {
	o := DefaultOptions()
	for _, s := range Settings() {
		values := samples[s.Name]
		if values == nil {
			if _, ok := s.In(&o).(durationValue); ok {
				values = []string{"0s", "1ms", "1m", "1h", "1h30m", "720h"}
			}
		}
		values = append(slices.Clone(values), s.In(&o).String())
		if err := s.In(&o).Set(rapid.SampledFrom(values).Draw(t, s.Name)); err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
	}
	return o
}

// visible compares what a user can set: what the session notes for itself beside it is left out.
var visible = cmpopts.IgnoreUnexported(session.Settings{})

// TestYAMLRoundTrip: what echosrv config prints is a file that says the same.
func TestYAMLRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "echosrv.yaml")
	rapid.Check(t, func(t *rapid.T) {
		want := drawOptions(t)
		var text bytes.Buffer
		if err := want.WriteYAML(&text, Origins{"listen": "somewhere"}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		got, origins, err := Source{File: path}.Load()
		if err != nil {
			t.Fatalf("%v\n%s", err, &text)
		}
		if diff := cmp.Diff(want, got, visible); diff != "" || len(origins) != len(Settings()) {
			t.Fatalf("%s\n%s", diff, &text)
		}
	})
}

// TestDiffFindsEveryChange: the texts of settings tell any two options apart.
func TestDiffFindsEveryChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawOptions(t), drawOptions(t)
		if (len(Diff(&a, &b)) == 0) != cmp.Equal(a, b, visible) {
			t.Fatalf("changes %v, but %s", Diff(&a, &b), cmp.Diff(a, b, visible))
		}
	})
}

func TestPrecedence(t *testing.T) {
	path := filepath.Join(t.TempDir(), "echosrv.yaml")
	if err := os.WriteFile(path, []byte("threads: 1\nlinger: 1s\nheartbeat: 1s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"ECHOSRV_LINGER": "2s", "ECHOSRV_HEARTBEAT": "2s", "ECHOSRV_THREADS": "", "ECHOSRV_PORT": "tcp://10.0.0.1:80"}
	o, origins, err := Source{
		File: path, Flags: map[string]string{"heartbeat": "3s"},
		Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	}.Load()
	if err != nil {
		t.Fatal(err)
	}
	if o.Threads != 1 || o.Session.Linger != 2*time.Second || o.Session.Heartbeat != 3*time.Second {
		t.Errorf("got %d, %s, %s", o.Threads, o.Session.Linger, o.Session.Heartbeat)
	}
	want := Origins{"threads": path, "linger": "ECHOSRV_LINGER", "heartbeat": "--heartbeat"}
	if diff := cmp.Diff(want, origins); diff != "" {
		t.Error(diff)
	}
}

// TestFileNeverPanics: a configuration file may hold anything.
func FuzzFile(f *testing.F) {
	for _, seed := range []string{"threads: 1", "a: [1, {b: c}]", "- x", "? a\n: b", "&x a: *x", "a: |\n  text", "---\n---\n", "\x00", "a: !!binary x"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := parseFile("file", text)
		if err != nil && len(entries) > 0 {
			t.Errorf("entries beside the error %v", err)
		}
		for _, e := range entries {
			o := DefaultOptions()
			if err := o.Set(e.name, e.text); err != nil && !errors.Is(err, ErrUsage) {
				t.Errorf("%v is not a usage error", err)
			}
		}
	})
}

func TestFileLimits(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(path, bytes.Repeat([]byte("#"), maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := (Source{File: path}).Load(); err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Errorf("got %v", err)
	}
	if _, _, err := (Source{File: dir}).Load(); err == nil || errors.Is(err, ErrUsage) {
		t.Errorf("got %v for a directory", err)
	}
}

func TestCPUs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cpus := rapid.SliceOfDistinct(rapid.IntRange(0, MaxCPU), func(n int) int { return n }).Draw(t, "cpus")
		slices.Sort(cpus)
		got, err := ParseCPUs(FormatCPUs(cpus))
		if err != nil || !slices.Equal(got, cpus) {
			t.Fatalf("%q gives %v, %v; want %v", FormatCPUs(cpus), got, err, cpus)
		}
	})
	shuffled := "6,0-2,1-3,6"
	if got, err := ParseCPUs(shuffled); err != nil || FormatCPUs(got) != "0-3,6" {
		t.Errorf("%q gives %v, %v", shuffled, got, err)
	}
	for _, bad := range []string{",", "1,", "a", "-1", "1-", "3-1", "0-99999999999", "1024", "0x1", "1 ,2", "1--2"} {
		if got, err := ParseCPUs(bad); err == nil {
			t.Errorf("%q is taken as %v", bad, got)
		}
	}
}

func TestThrottle(t *testing.T) {
	var th throttle
	now := 5 * throttleInterval
	for _, step := range []struct {
		at   time.Duration
		ok   bool
		held uint64
	}{
		{now, true, 0}, {now, false, 0}, {now + throttleInterval - 1, false, 0},
		{now + throttleInterval, true, 2}, {now + throttleInterval + 1, false, 0},
		{now + 2*throttleInterval, true, 1}, {now + 3*throttleInterval, true, 0},
	} {
		if ok, held := th.allow(step.at); ok != step.ok || held != step.held {
			t.Errorf("at %s: %t, %d held back; want %t, %d", step.at, ok, held, step.ok, step.held)
		}
	}
}

func TestDelays(t *testing.T) {
	var d delays
	for _, us := range []int{0, 1, 3, 3, 5_000_000, -1} {
		d.observe(time.Duration(us) * time.Microsecond)
	}
	got := d.read()
	b := got.Buckets()
	if got.Count != 6 || got.Sum != 5_000_006*time.Microsecond || len(b) != delayBuckets-1 {
		t.Errorf("got %+v with %d buckets", got, len(b))
	}
	for bound, want := range map[time.Duration]uint64{1: 2, 2: 3, 4: 5, 8: 5, 1 << 20: 5} {
		if is, ok := b[(bound * time.Microsecond).Seconds()]; !ok || is != want {
			t.Errorf("%d below %d us, want %d", is, bound, want)
		}
	}
}

// FuzzValues: whatever the text, a setting either refuses it and stays as it was, or takes it and can be
// read back.
func FuzzValues(f *testing.F) {
	for _, seed := range []string{"", "0", "-1", "1e9", "9999999999999999999", "1KiB", "NaN", "1s", "block", "debug", "0-3", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range Settings() {
			o, again := DefaultOptions(), DefaultOptions()
			before := s.In(&o).String()
			if err := s.In(&o).Set(text); err != nil {
				if s.In(&o).String() != before {
					t.Errorf("%s refuses %q but changes to %q", s.Name, text, s.In(&o).String())
				}
				continue
			}
			if err := s.In(&again).Set(s.In(&o).String()); err != nil || s.In(&again).String() != s.In(&o).String() {
				t.Errorf("%s takes %q but not its own %q: %v", s.Name, text, s.In(&o).String(), err)
			}
		}
	})
}
