//go:build !unix

package backendtest

import "net"

func noDelay(client, server *net.TCPAddr) (on, known bool) { return false, false }
