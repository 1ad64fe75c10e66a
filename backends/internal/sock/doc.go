// Package sock has the socket calls of the engines that are written here: listening sockets with their
// options, non-blocking reads and writes, an eventfd to wake a loop, and a reserve for a full file table.
//
// Calls that can't block go through RawSyscall, which does not tell Go's scheduler. That must never be done
// with a call that may block, since a goroutine in a raw call can't be stopped for the garbage collector. It
// is package syscall's, not the one of x/sys/unix, which reaches the same function by way of two changes of
// calling convention.
package sock
