//go:build !linux

package server

import (
	"fmt"
	"runtime"
)

func confine([]int) error {
	return fmt.Errorf("can't choose CPUs on %s: only Linux lets a process do that", runtime.GOOS)
}
