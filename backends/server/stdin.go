package server

import (
	"context"
	"io"
)

// UntilEOF returns a context that ends with parent or when r does. A child process whose standard input
// is a pipe from its parent learns in this way that the parent has gone, however it went. The goroutine
// that reads stays until r ends.
func UntilEOF(parent context.Context, r io.Reader) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	go func() {
		io.Copy(io.Discard, r)
		cancel()
	}()
	return ctx, cancel
}
