package nbio_test

import (
	"testing"

	"echosrv/backends/backendtest"
	"echosrv/backends/nbio"
)

func TestConformance(t *testing.T) { backendtest.Run(t, nbio.Engine()) }
