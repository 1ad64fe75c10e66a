package evio_test

import (
	"testing"

	"echosrv/backends/backendtest"
	"echosrv/backends/evio"
)

func TestConformance(t *testing.T) {
	backendtest.Suite{Engine: evio.Engine(), HalfDuplex: true}.Run(t)
}
