package epoll

import (
	"os"
	"testing"

	"echosrv/backends/backendtest"
)

// Every combination that takes another way through the loop is held to the contract. Those of the long list
// are run where ECHOSRV_LONG is set.
func TestConformance(t *testing.T) {
	variants := []string{"threads=2", "trigger=level", "accept=handoff"}
	long := []string{"threads=1,read-buffer=4KiB", "zerocopy=4KiB", "trigger=level,zerocopy=1"}
	if os.Getenv("ECHOSRV_LONG") != "" {
		variants = append(variants, long...)
	} else {
		t.Logf("not run without ECHOSRV_LONG: %q", long)
	}
	for _, options := range variants {
		t.Run(options, func(t *testing.T) { backendtest.Suite{Engine: Engine(), Options: options}.Run(t) })
	}
}
