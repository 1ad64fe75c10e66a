package iouring

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is one io_uring instance: two queues in memory that this process and the kernel share.
//
//	submission queue:  we write requests at tail, the kernel takes them at head
//	completion queue:  the kernel writes results at tail, we take them at head
//
// Each index is written by one side and read by the other, so it is stored and loaded atomically: what
// was written before the store is seen after the load, on amd64 and arm64 alike. Indices only grow and
// are cut to the size of the queue when they are used.
//
// Only the thread that called enable may use a ring.
type ring struct {
	fd         int
	enterFD    int // fd, or its number among the thread's registered rings
	enterFlags uintptr

	sqHead  *uint32 // the kernel's
	sqTail  *uint32 // ours
	sqFlags *uint32 // the kernel's
	sqMask  uint32
	sqSize  uint32
	sqes    []sqe
	tail    uint32 // behind the last request prepared; sqTail follows when the kernel is called

	cqHead     *uint32 // ours
	cqTail     *uint32 // the kernel's
	cqOverflow *uint32 // the kernel's: completions lost for want of memory
	cqMask     uint32
	cqes       []cqe

	arg     getEventsArg // of the wait with a timeout
	timeout timespec

	spilled []cqe // taken out early, to make room
	err     error // the first failure of a call that nobody could be told of
	spare   sqe   // what sqe returns after that

	rings, requests []byte // the mappings
}

// ringFlags: completions are worked out only when this thread asks for them, in batches and without
// interrupting it (DEFER_TASKRUN, which needs SINGLE_ISSUER); a request that is refused doesn't hold up
// those after it (SUBMIT_ALL); the ring belongs to the thread that enables it, not the one that makes it.
const ringFlags = setupCQSize | setupDisabled | setupSubmitAll | setupSingleIssuer | setupDeferTaskrun

const ringFeatures = featSingleMmap | featNoDrop | featExtArg | featCQESkip

// newRing makes a ring for a number of requests and of completions, both powers of two. It is disabled.
func newRing(requests, completions uint32) (*ring, error) {
	p := params{flags: ringFlags, cqEntries: completions}
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(requests), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, os.NewSyscallError("io_uring_setup", errno)
	}
	unix.CloseOnExec(int(fd))
	r := &ring{fd: int(fd), enterFD: int(fd)}
	if p.features&ringFeatures != ringFeatures {
		r.close()
		return nil, fmt.Errorf("the kernel's io_uring has features 0x%x, 0x%x are needed", p.features, ringFeatures)
	}
	if err := r.mapQueues(&p); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *ring) mapQueues(p *params) (err error) {
	size := max(int(p.sqOff.array+p.sqEntries*4), int(p.cqOff.cqes+p.cqEntries*uint32(unsafe.Sizeof(cqe{}))))
	const prot, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	if r.rings, err = unix.Mmap(r.fd, offRings, size, prot, flags); err != nil {
		return os.NewSyscallError("mmap", err)
	}
	if r.requests, err = unix.Mmap(r.fd, offSQEs, int(p.sqEntries)*int(unsafe.Sizeof(sqe{})), prot, flags); err != nil {
		return os.NewSyscallError("mmap", err)
	}
	word := func(off uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.rings[off])) }
	r.sqHead, r.sqTail, r.sqFlags = word(p.sqOff.head), word(p.sqOff.tail), word(p.sqOff.flags)
	r.sqMask, r.sqSize = *word(p.sqOff.mask), p.sqEntries
	r.sqes = unsafe.Slice((*sqe)(unsafe.Pointer(&r.requests[0])), p.sqEntries)
	r.cqHead, r.cqTail, r.cqOverflow = word(p.cqOff.head), word(p.cqOff.tail), word(p.cqOff.overflow)
	r.cqMask = *word(p.cqOff.mask)
	r.cqes = unsafe.Slice((*cqe)(unsafe.Pointer(&r.rings[p.cqOff.cqes])), p.cqEntries)
	// The kernel finds requests through an array of indices. Ours are used in order, so it is set once.
	array := unsafe.Slice(word(p.sqOff.array), p.sqEntries)
	for i := range array {
		array[i] = uint32(i)
	}
	return nil
}

// enable makes the ring the calling thread's own, which must be locked to its goroutine.
func (r *ring) enable() error {
	if _, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), registerEnableRings, 0, 0, 0, 0); errno != 0 {
		return os.NewSyscallError("io_uring_register", errno)
	}
	// A registered ring is found without a look into the file table. It is a saving and no more, so a
	// kernel that won't register it is not a failure.
	u := resourceUpdate{offset: ^uint32(0), data: uint64(r.fd)}
	n, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), registerRingFDs, uintptr(unsafe.Pointer(&u)), 1, 0, 0)
	if errno == 0 && n == 1 {
		r.enterFD, r.enterFlags = int(u.offset), enterRegisteredRing
	}
	return nil
}

// registerFiles makes a table of files that requests can name by number, which spares them a look into the
// process's own table. It returns the size, or 0 if the kernel won't: a saving and no more.
//
// Before Linux 6.13 a file that was taken out of the table stayed open until every older request with a
// registered file had ended, so one idle connection would have kept the sockets of all that closed after it.
func (r *ring) registerFiles() uint32 {
	const most = 1 << 16
	if !kernelFrom(6, 13) {
		return 0
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	reg := resourceRegistration{count: uint32(min(limit.Cur, most)), flags: registerSparse}
	if _, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), registerFiles2, uintptr(unsafe.Pointer(&reg)), unsafe.Sizeof(reg), 0, 0); errno != 0 {
		return 0
	}
	return reg.count
}

// kernelFrom says whether the kernel is of this version or a later one.
func kernelFrom(major, minor int) bool {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return false
	}
	var is [2]int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &is[0], &is[1]); err != nil {
		return false
	}
	return is[0] > major || is[0] == major && is[1] >= minor
}

// close gives everything back to the kernel. Requests that have not completed are cancelled by it, some
// time later: a loop that wants its sockets closed waits for their completions first.
//
// It is called on the thread that called enable. The registration of the ring with that thread would keep
// it, and every file registered with it, open for as long as the thread lives: the first thread of a
// process lives on when its goroutine has ended.
func (r *ring) close() {
	if r.enterFlags&enterRegisteredRing != 0 {
		u := resourceUpdate{offset: uint32(r.enterFD)}
		_, _, _ = unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), unregisterRingFDs, uintptr(unsafe.Pointer(&u)), 1, 0, 0)
	}
	if r.rings != nil {
		_ = unix.Munmap(r.rings)
	}
	if r.requests != nil {
		_ = unix.Munmap(r.requests)
	}
	unix.Close(r.fd)
}

// sqe is the place of the next request, zeroed. It is submitted by the next submit, collect or wait; when
// the queue is full those before it are submitted at once.
func (r *ring) sqe() *sqe {
	if r.prepared() >= r.sqSize && !r.makeRoom() {
		r.spare = sqe{}
		return &r.spare
	}
	s := &r.sqes[r.tail&r.sqMask]
	*s = sqe{}
	r.tail++
	return s
}

// makeRoom submits all that is prepared, and reports whether it could. The kernel refuses with EBUSY while
// completions wait for room, so these are taken out, and with EAGAIN when memory is short, which passes or
// ends the ring.
func (r *ring) makeRoom() bool {
	const attempts, pause = 1000, time.Millisecond
	for i := range attempts {
		if r.submit(); r.err != nil || r.prepared() == 0 {
			return r.err == nil
		}
		r.spilled = r.take(r.spilled)
		if i > 0 {
			time.Sleep(pause)
		}
	}
	r.fail(errors.New("io_uring took no request for a second"))
	return false
}

// prepared is the number of requests that the kernel has not taken.
func (r *ring) prepared() uint32 { return r.tail - atomic.LoadUint32(r.sqHead) }

// submit hands over what is prepared and returns without working out any completions but those of
// requests that were done at once.
func (r *ring) submit() { r.enterRaw(0) }

// collect hands over what is prepared, has the kernel work out the completions that are due, and returns
// without waiting for any.
func (r *ring) collect() { r.enterRaw(enterGetEvents) }

// enterRaw doesn't tell Go's scheduler of the call, which can't block.
func (r *ring) enterRaw(flags uintptr) {
	atomic.StoreUint32(r.sqTail, r.tail)
	_, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.enterFD), uintptr(r.prepared()), 0, flags|r.enterFlags, 0, 0)
	r.check(errno)
}

// wait is collect that returns only when there is a completion, or after timeout if that isn't negative.
func (r *ring) wait(timeout time.Duration) {
	if r.err != nil {
		return // completions says it
	}
	atomic.StoreUint32(r.sqTail, r.tail)
	flags, arg, size := enterGetEvents|r.enterFlags, uintptr(0), uintptr(0)
	if timeout >= 0 {
		r.timeout = timespec{int64(timeout / time.Second), int64(timeout % time.Second)}
		r.arg = getEventsArg{timeout: uint64(uintptr(unsafe.Pointer(&r.timeout)))}
		flags, arg, size = flags|enterExtArg, uintptr(unsafe.Pointer(&r.arg)), unsafe.Sizeof(r.arg)
	}
	// The call may block, so Go's scheduler is told and can give our processor to somebody else.
	_, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.enterFD), uintptr(r.prepared()), 1, flags, arg, size)
	r.check(errno)
}

// check takes note of an error that will not pass. Those that do: a signal, a timeout, too little memory,
// and completions that must be taken out first.
func (r *ring) check(errno unix.Errno) {
	switch errno {
	case 0, unix.EINTR, unix.ETIME, unix.EAGAIN, unix.EBUSY:
	default:
		r.fail(os.NewSyscallError("io_uring_enter", errno))
	}
}

func (r *ring) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// completions appends all completions that there are to dst, in order, those included for which the queue
// had no room. When it returns without an error, the kernel has taken every request prepared so far, and
// what those that complete at once have to say is in dst.
func (r *ring) completions(dst []cqe) ([]cqe, error) {
	if r.prepared() > 0 {
		r.makeRoom()
	}
	if len(r.spilled) > 0 {
		dst = append(dst, r.spilled...)
		r.spilled = r.spilled[:0]
	}
	dst = r.take(dst)
	for atomic.LoadUint32(r.sqFlags)&sqCQOverflow != 0 && r.err == nil {
		r.collect()
		dst = r.take(dst)
	}
	if lost := atomic.LoadUint32(r.cqOverflow); lost > 0 {
		r.fail(fmt.Errorf("the kernel had no memory for %d completions", lost))
	}
	return dst, r.err
}

// take appends what is in the completion queue to dst.
func (r *ring) take(dst []cqe) []cqe {
	head, tail := *r.cqHead, atomic.LoadUint32(r.cqTail)
	for ; head != tail; head++ {
		dst = append(dst, r.cqes[head&r.cqMask])
	}
	atomic.StoreUint32(r.cqHead, head)
	return dst
}
