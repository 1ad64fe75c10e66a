// Package sock has the socket calls of the engines that are written here: listening sockets with their
// options, non-blocking reads and writes, an eventfd to wake a loop, and a reserve for a full file table.
//
// Calls that can't block go through unix.RawSyscall, which does not tell Go's scheduler: that saves about
// as much as the call itself costs on a small packet, and must never be done with a call that may block,
// since a goroutine in a raw call can't be stopped for the garbage collector.
package sock
