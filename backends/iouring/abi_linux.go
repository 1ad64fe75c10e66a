package iouring

// The kernel's side of the interface: layouts and numbers from include/uapi/linux/io_uring.h, which
// golang.org/x/sys/unix doesn't have. Names follow the header without its prefixes.

// sqe is struct io_uring_sqe: one request, 64 bytes. What a field means depends on the opcode.
type sqe struct {
	opcode      uint8
	flags       uint8
	ioprio      uint16 // for sockets: recv and accept flags
	fd          int32
	off         uint64
	addr        uint64
	len         uint32
	opFlags     uint32 // msg_flags, accept_flags, cancel_flags or poll32_events
	userData    uint64
	bufGroup    uint16
	personality uint16
	fileIndex   uint32
	addr3       uint64
	_           uint64
}

// cqe is struct io_uring_cqe: what became of a request, 16 bytes.
type cqe struct {
	userData uint64
	res      int32 // as the system call would return it: a count, a descriptor, or minus an errno
	flags    uint32
}

// params is struct io_uring_params, which io_uring_setup(2) reads and fills in.
type params struct {
	sqEntries    uint32
	cqEntries    uint32
	flags        uint32
	sqThreadCPU  uint32
	sqThreadIdle uint32
	features     uint32
	wqFD         uint32
	_            [3]uint32
	sqOff        sqOffsets
	cqOff        cqOffsets
}

// sqOffsets is struct io_sqring_offsets: where the words of the submission ring lie in its mapping.
type sqOffsets struct {
	head, tail, mask, entries, flags, dropped, array, _ uint32
	_                                                   uint64
}

// cqOffsets is struct io_cqring_offsets.
type cqOffsets struct {
	head, tail, mask, entries, overflow, cqes, flags, _ uint32
	_                                                   uint64
}

// getEventsArg is struct io_uring_getevents_arg, the extended argument of io_uring_enter(2).
type getEventsArg struct {
	sigmask    uint64
	sigmaskLen uint32
	_          uint32
	timeout    uint64 // address of a timespec
}

// timespec is struct __kernel_timespec, 64 bits wide on every machine.
type timespec struct{ sec, nsec int64 }

// providedBuffer is struct io_uring_buf: an entry of a ring of provided buffers. The 16 bits after bid
// are unused, but those of the first entry are the tail of the ring.
type providedBuffer struct {
	addr uint64
	len  uint32
	bid  uint16
	tail uint16
}

// bufferRegistration is struct io_uring_buf_reg.
type bufferRegistration struct {
	ringAddr uint64
	entries  uint32
	bgid     uint16
	flags    uint16
	_        [3]uint64
}

// resourceUpdate is struct io_uring_rsrc_update.
type resourceUpdate struct {
	offset uint32
	_      uint32
	data   uint64
}

// resourceRegistration is struct io_uring_rsrc_register.
type resourceRegistration struct {
	count uint32
	flags uint32
	_     uint64
	data  uint64
	tags  uint64
}

// registerSparse makes a table without files (IORING_RSRC_REGISTER_SPARSE, 5.19).
const registerSparse = 1 << 0

// probeOps is how many opcodes a probe asks for; the header numbers fewer.
const probeOps = 256

// probe is struct io_uring_probe with its flexible array made long enough.
type probe struct {
	lastOp uint8
	opsLen uint8
	_      uint16
	_      [3]uint32
	ops    [probeOps]struct {
		op    uint8
		_     uint8
		flags uint16
		_     uint32
	}
}

// Flags of io_uring_setup(2), with the kernel that brought them.
const (
	setupCQSize       = 1 << 3  // 5.5
	setupDisabled     = 1 << 6  // 5.10, IORING_SETUP_R_DISABLED
	setupSubmitAll    = 1 << 7  // 5.18
	setupSingleIssuer = 1 << 12 // 6.0
	setupDeferTaskrun = 1 << 13 // 6.1
)

// Features that io_uring_setup(2) reports.
const (
	featSingleMmap = 1 << 0  // 5.4: both rings in one mapping
	featNoDrop     = 1 << 1  // 5.5: completions are kept when their ring is full
	featExtArg     = 1 << 8  // 5.11: a wait can have a timeout
	featCQESkip    = 1 << 11 // 5.17: requests that succeed can be silent
)

// Where to map the rings, for mmap(2).
const (
	offRings = 0          // IORING_OFF_SQ_RING; the completion ring is in the same mapping
	offSQEs  = 0x10000000 // IORING_OFF_SQES
)

// Flags of io_uring_enter(2).
const (
	enterGetEvents      = 1 << 0
	enterExtArg         = 1 << 3
	enterRegisteredRing = 1 << 4
)

// sqCQOverflow in the flags of the submission ring: completions wait in the kernel for room.
const sqCQOverflow = 1 << 1

// Commands of io_uring_register(2).
const (
	registerProbe       = 8
	registerEnableRings = 12
	registerFiles2      = 13
	registerRingFDs     = 20
	unregisterRingFDs   = 21
	registerPbufRing    = 22
)

// pbufIncremental registers a ring of provided buffers that are filled bit by bit.
const pbufIncremental = 1 << 1 // IOU_PBUF_RING_INC, 6.12

// Opcodes.
const (
	opNop         = 0
	opPollAdd     = 6
	opSendmsg     = 9
	opAccept      = 13
	opAsyncCancel = 14
	opFilesUpdate = 20
	opSend        = 26
	opRecv        = 27
	opSendmsgZC   = 48 // 6.1
)

// opSupported is set in a probe's answer for an opcode that the kernel knows.
const opSupported = 1 << 0

// Flags of a request (sqe.flags).
const (
	sqeFixedFile      = 1 << 0 // fd is an index into the registered files
	sqeBufferSelect   = 1 << 5
	sqeCQESkipSuccess = 1 << 6
)

// Flags of particular requests.
const (
	acceptMultishot = 1 << 0 // sqe.ioprio of ACCEPT, 5.19
	recvPollFirst   = 1 << 0 // sqe.ioprio of RECV, 5.19
	recvMultishot   = 1 << 1 // sqe.ioprio of RECV, 6.0
	pollMultishot   = 1 << 0 // sqe.len of POLL_ADD, 5.13
)

// Flags of a completion (cqe.flags).
const (
	cqeBuffer       = 1 << 0 // the upper 16 bits are the number of a provided buffer
	cqeMore         = 1 << 1 // the request goes on and will complete again
	cqeSockNonEmpty = 1 << 2 // the socket has more
	cqeNotification = 1 << 3 // a zero-copy send needs its memory no more
	cqeBufferMore   = 1 << 4 // more of that buffer is still to be filled
	cqeBufferShift  = 16
)
