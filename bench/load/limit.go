package load

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// spareDescriptors is what a process needs besides its connections and loops.
const spareDescriptors = 64

// raiseFileLimit makes sure that so many connections, and so many others, can be open at once, as far as
// this process may raise its limit of open files.
func raiseFileLimit(connections, others int) error {
	need := uint64(connections + others)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("failed to read the limit of open files: %w", err)
	}
	if limit.Cur >= need {
		return nil
	}
	raised := unix.Rlimit{Cur: need, Max: max(limit.Max, need)}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &raised); err != nil {
		return fmt.Errorf("%d open files are needed (%d connections and %d others), at most %d are allowed and raising that failed (%w): "+
			"allow more with ulimit -n %d, or ask for at most %d connections",
			need, connections, others, limit.Max, err, need, max(int(limit.Max)-others, 0))
	}
	return nil
}
