//go:build !linux

package iouring

import (
	"fmt"

	"echosrv/backends"
)

func available() error { return fmt.Errorf("iouring is %w: it needs Linux", backends.ErrUnavailable) }

func newBackend(backends.Config) (backends.Backend, error) { return nil, available() }
