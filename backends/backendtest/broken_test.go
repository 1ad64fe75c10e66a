//go:build unix

// The tests in this file and its neighbours need sockets whose options and limits can be set.

package backendtest

import (
	"cmp"
	"flag"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"echosrv/backends"
	"echosrv/backends/goroutine"
)

// breakage is a server broken on purpose, and the checks that must catch it.
type breakage struct {
	name     string
	breaking func(*Suite)
	// caught are names of checks, each with a part of what it must say; "" is anything.
	caught map[string]string
	// leaks marks what only the count around a check can see. These run one by one.
	leaks bool
	// patience is how long a check waits; zero is impatience.
	patience time.Duration
}

// impatience is how long a check waits for a broken server. Where a child process is part of it, or where
// a slow machine could be taken for a server that loses something, there is more of it.
const (
	impatience   = 2 * time.Second
	morePatience = 8 * time.Second
)

func TestMain(m *testing.M) {
	flag.Parse()
	// A property that fails here is meant to: no shrinking, and no file that remembers it.
	flag.Set("rapid.nofailfile", "true")
	flag.Set("rapid.shrinktime", "1ms")
	os.Exit(m.Run())
}

func (b breakage) suite(t testing.TB) *Suite {
	s := &Suite{Engine: goroutine.Engine(), Patience: cmp.Or(b.patience, impatience)}
	b.breaking(s)
	if r := record(t, func(t T) { s.prepare(t) }); r != nil {
		t.Fatal(r)
	}
	s.name = t.Name() + ": " + b.name
	return s
}

// TestBroken runs checks against broken servers: each must be caught, and every check must catch one.
func TestBroken(t *testing.T) {
	table := breakages()
	if child := os.Getenv(childVariable); child != "" {
		for _, b := range table {
			if s := b.suite(t); s.isChild() {
				s.child(t)
			}
		}
		return
	}
	byName := map[string]check{}
	for _, c := range checks() {
		byName[c.name] = c
	}
	defer func() {
		for _, f := range endings {
			f()
		}
	}()
	var mu sync.Mutex
	seen := map[string]bool{}
	var last []func() // what counts leaks runs when all others have ended
	var apart sync.WaitGroup
	atOnce := make(chan struct{}, 12) // they wait more than they work
	for _, b := range table {
		for name, text := range b.caught {
			c, ok := byName[name]
			if !ok {
				t.Errorf("%s: there is no check %q", b.name, name)
				continue
			}
			one := func() {
				err := b.caughtBy(t, c, text)
				mu.Lock()
				defer mu.Unlock()
				if seen[name] = true; err != "" {
					t.Errorf("%s: %s", b.name, err)
				}
			}
			if b.leaks {
				last = append(last, one)
				continue
			}
			apart.Go(func() { atOnce <- struct{}{}; one(); <-atOnce })
		}
	}
	apart.Wait()
	for _, one := range last {
		one()
	}
	for _, c := range checks() {
		if !seen[c.name] && (c.name != "loops pinned to CPUs" || canSeePinning()) {
			t.Errorf("no broken server shows that the check %q can fail", c.name)
		}
	}
}

// endings ends what broken servers left running.
var (
	endingsMu sync.Mutex
	endings   []func()
)

func atEnd(f func()) {
	endingsMu.Lock()
	defer endingsMu.Unlock()
	endings = append(endings, f)
}

// TestAllocationSeen: an engine that makes its replies anew is caught by CheckAllocations.
func TestAllocationSeen(t *testing.T) {
	e := goroutine.Engine()
	listen := e.New
	e.New = func(cfg backends.Config) (backends.Backend, error) {
		open := cfg.Open
		copying := replacing(slices.Clone[[]byte])
		cfg.Open = func(now time.Duration, p backends.Peer) backends.Session { return copying(nil, open(now, p)) }
		return listen(cfg)
	}
	if failures := record(t, func(t T) { CheckAllocations(t, e) }); !contains(failures, "allocates 1 times") {
		t.Errorf("an allocation for each reply was not seen: %q", failures)
	}
}

// caughtBy runs one check and says what is wrong with its verdict.
func (b breakage) caughtBy(t testing.TB, c check, text string) string {
	s := b.suite(t)
	began := time.Now()
	failures := record(t, func(t T) {
		if b.leaks {
			s.run(t, c)
		} else {
			c.run(t, s)
		}
	})
	t.Logf("%-45s %-45s %5.1fs %s", b.name, c.name, time.Since(began).Seconds(), brief(failures))
	switch {
	case len(failures) == 0:
		return "not caught by the check " + c.name
	case !contains(failures, text):
		return "the check " + c.name + " does not say \"" + text + "\" but " + strings.Join(failures, "; ")
	}
	return ""
}

func brief(failures []string) string {
	text := strings.ReplaceAll(strings.Join(failures, "; "), "\n", " ")
	return text[:min(len(text), 150)]
}

// all makes a breakage's list of checks out of subjects, all of them with the same text.
func all(text string, subjects ...[]check) map[string]string {
	caught := map[string]string{}
	for _, c := range slices.Concat(subjects...) {
		caught[c.name] = text
	}
	return caught
}

// sessions is a breakage of every session.
func sessions(wrap func(*server, backends.Session) backends.Session) func(*Suite) {
	return func(s *Suite) { s.wrap = wrap }
}

// backend is a breakage of the engine's backend.
func backend(wrap func(backends.Backend) backends.Backend) func(*Suite) {
	return func(s *Suite) {
		listen := s.Engine.New
		s.Engine.New = func(cfg backends.Config) (backends.Backend, error) {
			b, err := listen(cfg)
			if err != nil {
				return nil, err
			}
			return wrap(b), nil
		}
	}
}

// lies is an engine whose Capabilities are not true.
func lies(change func(*backends.Capabilities)) func(*Suite) {
	return func(s *Suite) { change(&s.Engine.Capabilities) }
}
