package backendtest

import (
	"os"
	"time"

	"go.uber.org/goleak"
)

// tally is what a process holds at one moment.
type tally struct {
	goroutines []goleak.Option
	files      int
}

// census counts what can leak; ignore names goroutines that don't count.
func census(ignore []goleak.Option) tally {
	return tally{
		goroutines: append([]goleak.Option{goleak.IgnoreCurrent()}, ignore...),
		files:      openFiles(),
	}
}

// compare reports what is there now and was not before. Goroutines and descriptors of the clients go a
// moment after they were told to, so it looks again for a while.
func (before tally) compare(t T, patience time.Duration) {
	t.Helper()
	var leaked error
	if !waitFor(min(patience, 5*time.Second), func() bool {
		leaked = goleak.Find(before.goroutines...)
		return leaked == nil
	}) {
		t.Errorf("goroutines are left: %v", leaked)
	}
	var files int
	if !waitFor(patience, func() bool { files = openFiles(); return files <= before.files }) {
		t.Errorf("%d descriptors are open, %d were before", files, before.files)
	}
}

// openFiles counts the descriptors of this process; zero where that can't be known.
func openFiles() int {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}
