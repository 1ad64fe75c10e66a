package evio_test

import (
	"testing"

	"echosrv/backends/backendtest"
	"echosrv/backends/evio"
)

func TestConformance(t *testing.T) {
	backendtest.Run(t, evio.Engine())
}
