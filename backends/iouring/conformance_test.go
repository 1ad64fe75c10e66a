package iouring

import (
	"testing"

	"echosrv/backends/backendtest"
)

// Every combination that takes another way through the loop is held to the contract. The smallest memory
// makes receives run out of it.
func TestConformance(t *testing.T) {
	if err := available(); err != nil {
		t.Skip(err)
	}
	for _, options := range []string{"", "threads=1,fill=single", "threads=1,buffers=64KiB,zerocopy=1"} {
		name := options
		if name == "" {
			name = "default"
		}
		t.Run(name, func(t *testing.T) { backendtest.Suite{Engine: Engine(), Options: options}.Run(t) })
	}
}
