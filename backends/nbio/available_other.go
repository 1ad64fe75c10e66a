//go:build !linux

package nbio

import (
	"fmt"

	"echosrv/backends"
)

func available() error {
	return fmt.Errorf("%w: reading can be paused only in the library's edge-triggered mode, which is Linux's epoll", backends.ErrUnavailable)
}
