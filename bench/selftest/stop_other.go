//go:build !unix

package selftest

import (
	"context"
	"errors"
)

const canStop = false

func stopProcess(context.Context, int) pauseResult { return pauseResult{err: errors.ErrUnsupported} }
