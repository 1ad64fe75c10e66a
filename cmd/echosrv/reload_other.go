//go:build !unix

package main

import "os"

// reloadSignals is empty: there is no signal for it here.
var reloadSignals []os.Signal
