package iouring

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// testRing is an enabled ring on a thread of its own for the rest of the test.
func testRing(t *testing.T, requests, completions uint32) *ring {
	t.Helper()
	if err := available(); err != nil {
		t.Skip(err)
	}
	r, err := newRing(requests, completions)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	if err := r.enable(); err != nil {
		t.Fatal(err)
	}
	return r
}

func nop(r *ring, userData uint64) {
	s := r.sqe()
	s.opcode, s.userData = opNop, userData
}

// collectAll is what n requests came to, in the order of their completions.
func collectAll(t *testing.T, r *ring, n int) []uint64 {
	t.Helper()
	var batch []cqe
	var err error
	for deadline := time.Now().Add(20 * time.Second); len(batch) < n; {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d completions came", len(batch), n)
		}
		r.collect()
		if batch, err = r.completions(batch); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]uint64, len(batch))
	for i, e := range batch {
		got[i] = e.userData
	}
	return got
}

func upTo(n int) []uint64 {
	all := make([]uint64, n)
	for i := range all {
		all[i] = uint64(i)
	}
	return all
}

// The indices pass the end of both queues many times.
func TestRingGoesRound(t *testing.T) {
	r := testRing(t, 8, 16)
	var got []uint64
	for i := range 1000 {
		nop(r, uint64(i))
		if i%5 == 4 {
			got = append(got, collectAll(t, r, 5)...)
		}
	}
	if !slices.Equal(got, upTo(1000)) {
		t.Error("completions are not those of the requests, in order")
	}
}

// More requests than the queue has places are submitted in between, and none is lost.
func TestRingFullOfRequests(t *testing.T) {
	r := testRing(t, 8, 128)
	for i := range 100 {
		nop(r, uint64(i))
	}
	if got := collectAll(t, r, 100); !slices.Equal(got, upTo(100)) {
		t.Errorf("got %v", got)
	}
}

// More completions than their queue has places wait in the kernel and come in order.
func TestRingFullOfCompletions(t *testing.T) {
	r := testRing(t, 64, 64)
	for i := range 1000 {
		nop(r, uint64(i))
	}
	r.submit()
	batch, err := r.completions(nil) // all of them: the loop takes a send that has none for done
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range batch {
		if e.userData != uint64(i) {
			t.Fatalf("completion %d is that of request %d", i, e.userData)
		}
	}
	if len(batch) != 1000 {
		t.Errorf("got %d completions of 1000", len(batch))
	}
}

// A request that is refused does not hold up the others.
func TestRingRefusedRequest(t *testing.T) {
	r := testRing(t, 8, 16)
	nop(r, 1)
	s := r.sqe()
	s.opcode, s.userData = 255, 2
	nop(r, 3)
	r.submit()
	batch, err := r.completions(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []cqe{{userData: 1}, {userData: 2, res: -int32(unix.EINVAL)}, {userData: 3}}
	if !slices.Equal(batch, want) {
		t.Errorf("got %+v, want %+v", batch, want)
	}
}

func TestRingWaitEndsWithTimeout(t *testing.T) {
	r := testRing(t, 8, 16)
	for _, timeout := range []time.Duration{0, time.Microsecond, 20 * time.Millisecond} {
		before := time.Now()
		r.wait(timeout)
		if took := time.Since(before); took < timeout {
			t.Errorf("a wait of %s took %s", timeout, took)
		}
		if batch, err := r.completions(nil); len(batch) > 0 || err != nil {
			t.Errorf("after a wait of %s: %+v, %v", timeout, batch, err)
		}
	}
}

func TestRingWaitEndsWithCompletion(t *testing.T) {
	r := testRing(t, 8, 16)
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	r.sqe().pollEach(target{fd: int32(fd)}, unix.POLLIN, 7)
	r.submit()
	go func() { _, _ = unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }()
	if got := waitForSome(t, r); len(got) != 1 || got[0].userData != 7 || got[0].flags&cqeMore == 0 {
		t.Errorf("got %+v, want one of a poll that goes on", got)
	}
}

// waitForSome waits until there are completions.
func waitForSome(t *testing.T, r *ring) []cqe {
	t.Helper()
	for range 100 { // a wait may end early, with a signal
		r.wait(20 * time.Second)
		batch, err := r.completions(nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(batch) > 0 {
			return batch
		}
	}
	t.Fatal("no completion")
	return nil
}

// A send that takes everything is silent; one that can't is not, and says how much it took. The loop takes
// the first for granted when the second has not been reported by the time that the request is taken.
func TestSendReportsOnlyWhatIsCutShort(t *testing.T) {
	r := testRing(t, 8, 16)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	send := func(b []byte) []cqe {
		r.sqe().send(target{fd: int32(pair[0])}, b, makeKey(sendKind, 0, 5))
		r.submit()
		batch, err := r.completions(nil)
		if err != nil {
			t.Fatal(err)
		}
		return batch
	}
	if got := send([]byte("whole")); len(got) != 0 {
		t.Fatalf("a send that took everything reported %+v", got)
	}
	big := make([]byte, 64<<20)
	got := send(big)
	if len(got) != 1 || key(got[0].userData).slot() != 5 || got[0].res <= 0 || int(got[0].res) >= len(big) {
		t.Fatalf("a send of more than the socket takes reported %+v", got)
	}
	if got = send(big); len(got) != 1 || got[0].res != -int32(unix.EAGAIN) {
		t.Fatalf("a send to a full socket reported %+v", got)
	}
	unix.Close(pair[0])
	if got = send(big); len(got) != 1 || got[0].res != -int32(unix.EBADF) {
		t.Fatalf("a send to nowhere reported %+v", got)
	}
}

func TestRegisteredFile(t *testing.T) {
	r := testRing(t, 8, 16)
	n := r.registerFiles()
	if n == 0 {
		t.Skip("this kernel registers no files")
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	fd := int32(pair[0])
	r.sqe().register(n-1, &fd)
	r.sqe().send(target{fd: int32(n - 1), flags: sqeFixedFile}, []byte("x"), makeKey(sendKind, 0, 0))
	r.submit()
	unix.Close(pair[0]) // the ring holds it open
	r.sqe().send(target{fd: int32(n - 1), flags: sqeFixedFile}, []byte("y"), makeKey(sendKind, 0, 0))
	r.sqe().register(n-1, &noFile)
	r.submit()
	if batch, err := r.completions(nil); len(batch) > 0 || err != nil {
		t.Fatalf("got %+v, %v", batch, err)
	}
	var got [8]byte
	if k, err := unix.Read(pair[1], got[:]); string(got[:max(k, 0)]) != "xy" || err != nil {
		t.Fatalf("read %q, %v", got[:max(k, 0)], err)
	}
	if k, err := unix.Read(pair[1], got[:]); k != 0 || err != nil {
		t.Fatalf("after the file was let go: %d, %v; want the end", k, err)
	}
}

func TestKey(t *testing.T) {
	k := makeKey(cancelKind, 0xabcdef12, 0xffffffff)
	if k.kind() != cancelKind || k.generation() != 0xcdef12 || k.slot() != 0xffffffff {
		t.Errorf("%#x: kind %d, generation %#x, slot %#x", uint64(k), k.kind(), k.generation(), k.slot())
	}
}

// The system says why it can't, and what a person can do.
func TestExplain(t *testing.T) {
	for _, c := range []struct {
		errno unix.Errno
		want  string
	}{
		{unix.ENOSYS, "Linux 6.1"}, {unix.EPERM, "io_uring_disabled"}, {unix.EACCES, "sandbox"}, {unix.EINVAL, "too old"}, {unix.ENOMEM, "ulimit -l"},
	} {
		if got := explain(c.errno).Error(); !containsAll(got, c.want, c.errno.Error()) {
			t.Errorf("%v is explained as %q, which lacks %q", c.errno, got, c.want)
		}
	}
}
