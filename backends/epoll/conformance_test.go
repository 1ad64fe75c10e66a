package epoll

import (
	"testing"

	"echosrv/backends/backendtest"
)

// Every combination that takes another way through the loop is held to the contract.
func TestConformance(t *testing.T) {
	for _, options := range []string{"", "threads=1", "trigger=edge", "accept=handoff", "threads=1,trigger=edge,read-buffer=4KiB",
		"zerocopy=1", "trigger=edge,zerocopy=4KiB"} {
		name := options
		if name == "" {
			name = "default"
		}
		t.Run(name, func(t *testing.T) { backendtest.Suite{Engine: Engine(), Options: options}.Run(t) })
	}
}
