package sock

import (
	"os"

	"golang.org/x/sys/unix"
)

// Reserve is a descriptor held back for the moment when the file table is full. accept4(2) then fails with
// EMFILE or ENFILE even if nobody waits, and whoever does wait would wait for ever: giving the reserve up
// lets one newcomer be accepted and closed at once, which tells it more than silence.
type Reserve struct{ fd int }

// NewReserve takes a descriptor.
func NewReserve() (*Reserve, error) {
	r := &Reserve{fd: -1}
	if err := r.take(); err != nil {
		return nil, os.NewSyscallError("open", err)
	}
	return r, nil
}

// Refuse accepts one waiting connection in place of the reserve and closes it. It reports whether there
// was one.
func (r *Reserve) Refuse(listener int) bool {
	if r.fd >= 0 {
		unix.Close(r.fd)
		r.fd = -1
	}
	fd, errno := Accept(listener)
	if errno == 0 {
		unix.Close(fd)
	}
	_ = r.take() // another thread may have been faster: the next Refuse tries again
	return errno == 0
}

// Close gives the descriptor back.
func (r *Reserve) Close() {
	if r.fd >= 0 {
		unix.Close(r.fd)
		r.fd = -1
	}
}

func (r *Reserve) take() (err error) {
	r.fd, err = unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		r.fd = -1
	}
	return err
}

// TableFull says whether accepting failed because there is no descriptor or memory left, which passes.
func TableFull(errno unix.Errno) bool {
	switch errno {
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
		return true
	}
	return false
}
