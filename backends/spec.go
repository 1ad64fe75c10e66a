package backends

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxThreads is the most loops that any engine can be asked for.
const MaxThreads = 1024

// Option is a key that an engine's spec may set.
type Option struct {
	Key     string
	Default string
	// Help is half a sentence with the unit, for usage texts.
	Help string
	// Check says what is wrong with a value; Choice, Bytes, Duration and Flag make the usual ones.
	Check func(value string) error
}

// Options are the values of an engine's options by key. The accessors don't fail: values were checked
// when the spec was resolved.
type Options map[string]string

// String is the value of key as it was written.
func (o Options) String(key string) string { return o[key] }

// Bytes is the value of key as a number of bytes.
func (o Options) Bytes(key string) int { n, _ := ParseBytes(o[key]); return n }

// Duration is the value of key as a duration.
func (o Options) Duration(key string) time.Duration { d, _ := time.ParseDuration(o[key]); return d }

// Flag is the value of key as a truth value.
func (o Options) Flag(key string) bool { b, _ := strconv.ParseBool(o[key]); return b }

// Spec chooses an engine and its options: "name" or "name:key=value,key=value".
type Spec struct {
	Engine Engine
	// Threads is the value of the key threads, or zero if it wasn't given.
	Threads int
	// Options are complete: what the spec doesn't set has its default.
	Options Options
	// Text is the spec as it was written.
	Text string
}

// ParseSpec finds the engine of a spec in table and checks every option. Its errors list what is valid.
func ParseSpec(text string, table []Engine) (Spec, error) {
	name, rest, _ := strings.Cut(text, ":")
	i := slices.IndexFunc(table, func(e Engine) bool { return e.Name == name })
	if i < 0 {
		return Spec{}, fmt.Errorf("unknown engine %q; there are %s", name, names(table))
	}
	s := Spec{Engine: table[i], Options: Options{}, Text: text}
	for _, o := range s.Engine.Options {
		s.Options[o.Key] = o.Default
	}
	if rest == "" {
		return s, nil
	}
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(rest, ",") {
		key, value, ok := strings.Cut(pair, "=")
		switch {
		case !ok:
			return Spec{}, fmt.Errorf("engine spec %q: %q is not key=value; keys are %s", text, pair, s.Engine.keys())
		case seen[key]:
			return Spec{}, fmt.Errorf("engine spec %q: %q is given twice", text, key)
		}
		seen[key] = true
		if err := s.set(key, value); err != nil {
			return Spec{}, fmt.Errorf("engine spec %q: %w", text, err)
		}
	}
	return s, nil
}

func (s *Spec) set(key, value string) error {
	if key == "threads" {
		n, err := strconv.Atoi(value)
		if err != nil {
			return fmt.Errorf("threads=%q is not a whole number", value)
		}
		s.Threads = n
		return s.Engine.CheckThreads(n)
	}
	i := slices.IndexFunc(s.Engine.Options, func(o Option) bool { return o.Key == key })
	if i < 0 {
		return fmt.Errorf("unknown key %q; keys are %s", key, s.Engine.keys())
	}
	if check := s.Engine.Options[i].Check; check != nil {
		if err := check(value); err != nil {
			return fmt.Errorf("%s=%q: %w", key, value, err)
		}
	}
	s.Options[key] = value
	return nil
}

// CheckThreads says whether the engine can run n threads.
func (e Engine) CheckThreads(n int) error {
	most := MaxThreads
	if e.MaxThreads > 0 {
		most = e.MaxThreads
	}
	if n < 1 || n > most {
		return fmt.Errorf("threads=%d: %s takes 1 to %d", n, e.Name, most)
	}
	return nil
}

func (e Engine) keys() string {
	keys := []string{"threads"}
	for _, o := range e.Options {
		keys = append(keys, o.Key)
	}
	return strings.Join(keys, ", ")
}

func names(table []Engine) string {
	var all []string
	for _, e := range table {
		all = append(all, e.Name)
	}
	return strings.Join(all, ", ")
}

// Choice checks that a value is one of those listed.
func Choice(allowed ...string) func(string) error {
	return func(v string) error {
		if slices.Contains(allowed, v) {
			return nil
		}
		return fmt.Errorf("allowed are %s", strings.Join(allowed, ", "))
	}
}

// Flag checks that a value is true or false.
func Flag(v string) error {
	if _, err := strconv.ParseBool(v); err != nil {
		return fmt.Errorf("allowed are true and false")
	}
	return nil
}

// Bytes checks that a value is a size within [least, most] bytes.
func Bytes(least, most int) func(string) error {
	return func(v string) error {
		n, err := ParseBytes(v)
		if err != nil {
			return err
		}
		if n < least || n > most {
			return fmt.Errorf("%s to %s are allowed", FormatBytes(least), FormatBytes(most))
		}
		return nil
	}
}

// Duration checks that a value is a duration within [0, most].
func Duration(most time.Duration) func(string) error {
	return func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil {
			return fmt.Errorf("not a duration such as 50us or 2ms")
		}
		if d < 0 || d > most {
			return fmt.Errorf("0s to %s are allowed", most)
		}
		return nil
	}
}
