package server

import (
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"echosrv/backends"
	"echosrv/protocol/buffer"
	"echosrv/protocol/session"
)

// Value reads and writes one setting as text. Set refuses what is out of range.
type Value interface {
	Set(text string) error
	String() string
}

type textValue struct{ at *string }

func (v textValue) Set(text string) error { *v.at = text; return nil }
func (v textValue) String() string        { return *v.at }

type choiceValue struct {
	at      *string
	allowed []string
}

func (v choiceValue) Set(text string) error {
	if !slices.Contains(v.allowed, text) {
		return fmt.Errorf("allowed are %s", strings.Join(v.allowed, ", "))
	}
	*v.at = text
	return nil
}
func (v choiceValue) String() string { return *v.at }

type intValue struct {
	at          *int
	least, most int
}

func (v intValue) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < v.least || n > v.most {
		return fmt.Errorf("a whole number from %d to %d is allowed", v.least, v.most)
	}
	*v.at = n
	return nil
}
func (v intValue) String() string { return strconv.Itoa(*v.at) }

// sizeValue is a number of bytes.
type sizeValue struct {
	at          *int
	least, most int
}

func (v sizeValue) Set(text string) error {
	n, err := backends.ParseBytes(text)
	if err != nil || n < v.least || n > v.most {
		return fmt.Errorf("a size from %s to %s is allowed: bytes, or a number followed by KiB, MiB or GiB",
			backends.FormatBytes(v.least), backends.FormatBytes(v.most))
	}
	*v.at = n
	return nil
}
func (v sizeValue) String() string { return backends.FormatBytes(*v.at) }

// maxDuration bounds every duration, in the belief that a longer one is a slip.
const maxDuration = 30 * 24 * time.Hour

type durationValue struct {
	at          *time.Duration
	least, most time.Duration
}

func (v durationValue) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < v.least || d > v.most {
		return fmt.Errorf("a duration from %s to %s is allowed, such as 200ms, 30s or 5m", v.least, v.most)
	}
	*v.at = d
	return nil
}
func (v durationValue) String() string { return shortDuration(*v.at) }

// shortDuration is d without units that are zero: 5m0s is 5m.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// rateValue is an amount per second; zero means no limit.
type rateValue struct{ at *float64 }

func (v rateValue) Set(text string) error {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n == 0 || n >= 1 && n <= session.MaxRate) {
		return fmt.Errorf("a number per second is allowed: 0 for no limit, or 1 to %g", session.MaxRate)
	}
	*v.at = n
	return nil
}
func (v rateValue) String() string { return strconv.FormatFloat(*v.at, 'f', -1, 64) }

type cpusValue struct{ at *[]int }

func (v cpusValue) Set(text string) error {
	cpus, err := ParseCPUs(text)
	if err == nil {
		*v.at = cpus
	}
	return err
}
func (v cpusValue) String() string { return FormatCPUs(*v.at) }

type policyValue struct{ at *buffer.Policy }

func (v policyValue) Set(text string) error {
	i := slices.Index(buffer.Policies, text)
	if i < 0 {
		return fmt.Errorf("allowed are %s", strings.Join(buffer.Policies, ", "))
	}
	*v.at = buffer.Policy(i)
	return nil
}
func (v policyValue) String() string { return v.at.String() }

type modeValue struct{ at *session.Mode }

func (v modeValue) Set(text string) error {
	i := slices.Index(session.Modes, text)
	if i < 0 {
		return fmt.Errorf("allowed are %s", strings.Join(session.Modes, ", "))
	}
	*v.at = session.Mode(i)
	return nil
}
func (v modeValue) String() string { return v.at.String() }

type levelValue struct{ at *slog.Level }

var levels = []string{"debug", "info", "warn", "error"}

func (v levelValue) Set(text string) error {
	if !slices.Contains(levels, text) {
		return fmt.Errorf("allowed are %s", strings.Join(levels, ", "))
	}
	return v.at.UnmarshalText([]byte(text))
}
func (v levelValue) String() string { return strings.ToLower(v.at.String()) }
