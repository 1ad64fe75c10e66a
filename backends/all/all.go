// Package all is the table of engines: the one place that imports every one of them.
package all

import (
	"echosrv/backends"
	"echosrv/backends/epoll"
	"echosrv/backends/evio"
	"echosrv/backends/gnet"
	"echosrv/backends/goroutine"
	"echosrv/backends/iouring"
	"echosrv/backends/nbio"
	"echosrv/backends/netpoll"
)

// Engines are all there are, in the order in which they are listed. Those that can't run on this machine
// are among them and say so: see backends.Engine.Available.
func Engines() []backends.Engine {
	return []backends.Engine{
		goroutine.Engine(),
		epoll.Engine(),
		iouring.Engine(),
		evio.Engine(),
		netpoll.Engine(),
		gnet.Engine(),
		nbio.Engine(),
	}
}
