package gnet_test

import (
	"testing"

	"echosrv/backends/backendtest"
	"echosrv/backends/gnet"
)

func TestConformance(t *testing.T) { backendtest.Run(t, gnet.Engine()) }
