package iouring

import (
	"testing"
	"unsafe"
)

// Sizes and offsets as the kernel has them: include/uapi/linux/io_uring.h.
func TestLayouts(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"sqe", unsafe.Sizeof(sqe{}), 64},
		{"sqe.opFlags", unsafe.Offsetof(sqe{}.opFlags), 28},
		{"sqe.userData", unsafe.Offsetof(sqe{}.userData), 32},
		{"sqe.bufGroup", unsafe.Offsetof(sqe{}.bufGroup), 40},
		{"sqe.fileIndex", unsafe.Offsetof(sqe{}.fileIndex), 44},
		{"cqe", unsafe.Sizeof(cqe{}), 16},
		{"params", unsafe.Sizeof(params{}), 120},
		{"params.sqOff", unsafe.Offsetof(params{}.sqOff), 40},
		{"params.cqOff", unsafe.Offsetof(params{}.cqOff), 80},
		{"getEventsArg", unsafe.Sizeof(getEventsArg{}), 24},
		{"timespec", unsafe.Sizeof(timespec{}), 16},
		{"providedBuffer", unsafe.Sizeof(providedBuffer{}), 16},
		{"providedBuffer.tail", unsafe.Offsetof(providedBuffer{}.tail), 14},
		{"bufferRegistration", unsafe.Sizeof(bufferRegistration{}), 40},
		{"resourceRegistration", unsafe.Sizeof(resourceRegistration{}), 32},
		{"resourceUpdate", unsafe.Sizeof(resourceUpdate{}), 16},
		{"probe", unsafe.Sizeof(probe{}), 16 + 8*probeOps},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, the kernel has %d", c.name, c.got, c.want)
		}
	}
}

// A connection is small, as there may be very many.
func TestConnSize(t *testing.T) {
	if got := unsafe.Sizeof(conn{}); got > 48 {
		t.Errorf("a conn has %d bytes, at most 48 are wanted", got)
	}
}
