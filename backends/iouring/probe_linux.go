package iouring

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"echosrv/backends"

	"golang.org/x/sys/unix"
)

// available makes a small ring and has a look at what it can do, as there is no other way to know: kernels
// differ, and administrators and containers forbid io_uring.
func available() error {
	if err := tryRing(); err != nil {
		return fmt.Errorf("iouring is %w: %w", backends.ErrUnavailable, explain(err))
	}
	return nil
}

// explain adds what a person can do about it.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("%w: this kernel has no io_uring, or a sandbox hides it; Linux 6.1 or later is needed", err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: io_uring is forbidden here, by the sysctl kernel.io_uring_disabled or by a sandbox such as a container's seccomp profile", err)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w: this kernel's io_uring is too old; Linux 6.1 or later is needed", err)
	case errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("%w: no memory for a ring; is the limit of locked memory (ulimit -l) too low?", err)
	}
	return err
}

func tryRing() error {
	r, err := newRing(8, 16)
	if err != nil {
		return err
	}
	b, err := newBuffers(r, minBuffers, fillAuto)
	if err == nil {
		err = r.probe()
	}
	r.close()
	if b != nil {
		b.close()
	}
	return err
}

// probe says whether the kernel lacks an operation that the engine needs. That it knows SENDMSG_ZC, which
// came with Linux 6.1, stands for multishot receive as well, which came before and can't be asked for.
func (r *ring) probe() error {
	var p probe
	if _, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), registerProbe, uintptr(unsafe.Pointer(&p)), probeOps, 0, 0); errno != 0 {
		return os.NewSyscallError("io_uring_register of a probe", errno)
	}
	for _, op := range []struct {
		code int
		name string
	}{{opPollAdd, "POLL_ADD"}, {opSendmsg, "SENDMSG"}, {opAccept, "ACCEPT"}, {opAsyncCancel, "ASYNC_CANCEL"}, {opSend, "SEND"}, {opRecv, "RECV"}, {opSendmsgZC, "SENDMSG_ZC"}} {
		if p.ops[op.code].flags&opSupported == 0 {
			return fmt.Errorf("this kernel's io_uring has no %s; Linux 6.1 or later is needed", op.name)
		}
	}
	return nil
}
