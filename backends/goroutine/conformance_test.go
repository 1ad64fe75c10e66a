package goroutine_test

import (
	"testing"

	"echosrv/backends/backendtest"
	"echosrv/backends/goroutine"
)

func TestConformance(t *testing.T) { backendtest.Run(t, goroutine.Engine()) }

func TestConformanceOwnBuffer(t *testing.T) {
	backendtest.Suite{Engine: goroutine.Engine(), Options: "threads=1,read-buffer=4KiB"}.Run(t)
}

func TestNoAllocationPerPacket(t *testing.T) { backendtest.CheckAllocations(t, goroutine.Engine()) }

func BenchmarkEcho(b *testing.B) { backendtest.Benchmark(b, goroutine.Engine()) }
