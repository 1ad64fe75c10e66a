package iouring

import (
	"testing"

	"echosrv/backends/backendtest"
)

func TestConformance(t *testing.T) { backendtest.Run(t, Engine()) }
