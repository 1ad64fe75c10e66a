//go:build !linux

package load

import "net"

func newPoller(address *net.TCPAddr) (poller, error) { return newPortable(address) }
