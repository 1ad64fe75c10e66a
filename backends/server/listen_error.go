package server

import (
	"errors"
	"fmt"
	"syscall"
)

// ExplainListen adds to an error of binding what a person can do about it. What setting names the address,
// such as listen.
func ExplainListen(setting, address string, err error) error {
	var cause syscall.Errno
	if !errors.As(err, &cause) {
		return fmt.Errorf("can't listen on %s: %w", address, err)
	}
	hint := ""
	switch cause {
	case syscall.EADDRINUSE:
		hint = "; end the program that has the port, or choose another with --" + setting + " (port 0 lets the kernel choose)"
	case syscall.EADDRNOTAVAIL:
		hint = "; --" + setting + " takes an address of this machine"
	case syscall.EACCES:
		hint = "; ports below 1024 need a privilege, choose a higher one with --" + setting
	}
	return fmt.Errorf("can't listen on %s: %w%s", address, cause, hint)
}
