//go:build !linux

package epoll

import (
	"fmt"
	"runtime"

	"echosrv/backends"
)

func available() error {
	return fmt.Errorf("%w: epoll is a part of Linux, this is %s", backends.ErrUnavailable, runtime.GOOS)
}

func open(backends.Config) (backends.Backend, error) { return nil, available() }
