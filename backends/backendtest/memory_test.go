package backendtest_test

import (
	"testing"

	"echosrv/backends/backendtest"
)

func TestMemory(t *testing.T) {
	m := backendtest.NewMemory()
	backendtest.Suite{Engine: m.Engine(), Dial: m.Dial}.Run(t)
}
