package netpoll_test

import (
	"testing"

	"echosrv/backends/backendtest"
	"echosrv/backends/netpoll"
)

func TestConformance(t *testing.T) { backendtest.Run(t, netpoll.Engine()) }
